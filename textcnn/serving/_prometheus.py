"""The metrics of a server, in Prometheus's text format.

Where the environment variable PROMETHEUS_MULTIPROC_DIR names a folder, prometheus-client keeps the numbers of each
process in files there, and any process answers with those of all together.
"""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from textcnn.serving._live_model import Loaded

CONTENT_TYPE = CONTENT_TYPE_LATEST
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


class Metrics:
    """The metrics of one app, in a registry of their own, so that a process can have several apps."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        if FOLDER not in os.environ:
            ProcessCollector(registry=self._registry)
        self._requests = Counter("textcnn_requests", "Requests answered.", ["path", "status"], registry=self._registry)
        self._seconds = Histogram(
            "textcnn_request_seconds",
            "Time from a request's headers to the end of its answer.",
            ["path"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._texts = Counter("textcnn_texts", "Texts predicted or explained.", ["path"], registry=self._registry)
        self._reloads = Counter("textcnn_reloads", "Reloads of the model.", ["result"], registry=self._registry)
        self._models = Gauge(
            "textcnn_model_info",
            "Processes that answer with such a model.",
            ["architecture", "classes"],
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._loaded = Gauge(
            "textcnn_model_loaded_timestamp_seconds",
            "When the model was loaded; of several processes the one that did so first.",
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self._shown: tuple[str, str] | None = None

    def request(self, path: str, status: int, seconds: float, texts: int) -> None:
        """Count a request that has been answered."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)
        if texts:
            self._texts.labels(path).inc(texts)

    def reload(self, *, succeeded: bool) -> None:
        """Count a reload."""
        self._reloads.labels("loaded" if succeeded else "failed").inc()

    def model(self, loaded: Loaded) -> None:
        """Show the model that answers from now on."""
        if self._shown is not None:
            self._models.labels(*self._shown).set(0)  # the files of several processes forget no series
        self._shown = (loaded.model.architecture, str(len(loaded.model.classes_)))
        self._models.labels(*self._shown).set(1)
        self._loaded.set(loaded.time)

    def text(self) -> bytes:
        """Return the metrics of all processes."""
        if FOLDER not in os.environ:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry)
