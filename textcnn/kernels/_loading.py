"""The compiled module, if there is one, and what must hold for its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

try:
    from textcnn.kernels import _kernels as loops  # type: ignore[attr-defined]
except ImportError:
    loops: Any = None  # type: ignore[no-redef]


def check(kind: type, *arrays: np.ndarray) -> None:
    """Raise TypeError for an array of another type: the loops would read its memory as something else."""
    for array in arrays:
        if array.dtype != kind:
            raise TypeError(f"expected an array of {np.dtype(kind)}, found one of {array.dtype}")
