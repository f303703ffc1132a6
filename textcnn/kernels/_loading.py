"""The compiled module, if there is one."""

from __future__ import annotations

import logging
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

try:
    from textcnn.kernels import _kernels as loops  # type: ignore[attr-defined]
except ImportError:
    loops: Any = None  # type: ignore[no-redef]


def compiled_elsewhere(here: Path) -> Path | None:
    """Return the folder of an installed textcnn whose loops are compiled, other than that of `here`."""
    for found in distributions(name="textcnn"):
        folder = Path(str(found.locate_file("textcnn/kernels"))).resolve()
        if folder != here and any((folder / f"_kernels{suffix}").exists() for suffix in EXTENSION_SUFFIXES):
            return folder.parent
    return None


if loops is None:
    _here = Path(__file__).resolve().parent
    if other := compiled_elsewhere(_here):
        logging.getLogger(__name__).warning(
            "textcnn is imported from %s, whose loops are not compiled: it is several times slower than the one "
            "installed in %s; run Python in another folder, or compile these (pip install -e .)",
            _here.parent,
            other,
        )
