"""The compiled module, if there is one."""

from __future__ import annotations

from typing import Any

try:
    from textcnn.kernels import _kernels as loops  # type: ignore[attr-defined]
except ImportError:
    loops: Any = None  # type: ignore[no-redef]
