"""The model that answers, and how another takes its place while requests are answered."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from textcnn.errors import TextCNNError, one_line
from textcnn.model import Model

logger = logging.getLogger("textcnn.serving")


@dataclass(frozen=True)
class Loaded:
    """A model, and when it was loaded, in seconds since 1970."""

    model: Model
    time: float


class LiveModel:
    """Holds the model that answers. A request takes `loaded` once, so that all of its answer is of one model.

    Args:
        load: loads the model, now and at each reload; its errors are raised now.
    """

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._lock = Lock()  # one reload after the other
        self.loaded = self._try()

    def reload(self) -> bool:
        """Load the model beside the one that answers and put it in its place; return whether that succeeded.

        If it fails, the one that answers stays, and the reason is logged.
        """
        with self._lock:
            started = time.perf_counter()
            try:
                self.loaded = self._try()
            except Exception as error:  # noqa: BLE001 (whatever it is, the old model answers)
                reason = one_line(error) if isinstance(error, (TextCNNError, OSError)) else type(error).__name__
                logger.error("reload failed, the model before stays: %s", reason)  # noqa: TRY400
                return False
            gc.collect()  # a model refers to itself, and its arrays do not make Python look for such soon
            ms = round(1000 * (time.perf_counter() - started), 1)
            logger.info("reloaded", extra={"fields": {"model": repr(self.loaded.model), "ms": ms}})
            return True

    def _try(self) -> Loaded:
        """Load a model and let it predict: one that cannot is refused, and no request waits for what is made once."""
        model = self._load()
        model.warm_up()
        return Loaded(model, time.time())
