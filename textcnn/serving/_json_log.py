"""The log: a JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import datetime, timezone

_FRAMES = 8  # the innermost of an exception's


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object; a record's `fields` (by `extra`) are keys of their own.

    Of an exception only its type and place are written: its message might quote a text.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time = datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds")
        entry = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": os.getpid(),
            "message": " ".join(record.getMessage().split()),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            entry["exception"] = record.exc_info[0].__name__
            frames = traceback.extract_tb(record.exc_info[2])[-_FRAMES:]
            entry["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(entry)


def log_to_stderr() -> None:
    """Let textcnn and uvicorn log on stderr, uvicorn from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, level in (("textcnn", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
