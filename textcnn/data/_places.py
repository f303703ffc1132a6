"""The places of this machine that a source names, by split: files, or folders of one of several forms."""

from __future__ import annotations

import glob
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from textcnn.data.blocks import LONGEST_ROW, utf8_blocks
from textcnn.data.local_files import FORMATS, has_columns, read_batches
from textcnn.errors import DataError

logger = logging.getLogger(__name__)

_STEMS = {"train": ("train",), "validation": ("validation", "valid", "dev", "val"), "test": ("test",)}
_SPLIT_OF_STEM = {stem: split for split, stems in _STEMS.items() for stem in stems}
_UNLABELLED = ("unsup", "unsupervised")
_SAVED_DICT, _SAVED = "dataset_dict.json", "state.json"
_BATCH_TEXTS = 16_384
_LISTED = 10


class Place(NamedTuple):
    """Where rows come from: the name for the errors, and what gives the rows as batches."""

    name: str | Path
    batches: Callable[[], Iterable[pa.RecordBatch]]


Places = dict[str, list[Place]]
"""By split."""


def split_of(name: str) -> str | None:
    """Give the split for which a name stands: ``dev`` for validation and so on."""
    return _SPLIT_OF_STEM.get(name.lower())


def file_place(path: Path, encoding: str) -> Place:
    """Give the place of a file of labelled texts.

    Raises:
        DataError: there is no such file, or it is plain text.
    """
    if os.path.isfile(path) and not has_columns(path):  # noqa: PTH113 - pathlib raises for some names
        raise DataError(
            f"expected texts with labels, found {path}, plain text without; give a CSV, TSV, JSON Lines, Parquet or "
            "Arrow file, or begin each line with its label: __label__good A fine film"
        )
    return Place(path, partial(read_batches, path, encoding=encoding))


def matching_files(pattern: str) -> list[Path]:
    """Give the files that a pattern with ``*``, ``?`` or ``[...]`` matches, by name; none if it is no pattern."""
    if not glob.has_magic(pattern):
        return []
    try:
        return sorted(Path(name) for name in glob.glob(pattern) if os.path.isfile(name))  # noqa: PTH113, PTH207
    except ValueError:  # NUL
        return []


def folder_places(folder: Path, encoding: str) -> Places:
    """Find what a folder holds.

    In this order: what ``datasets`` saved, ``train.*`` and its like, a folder of texts for each class (in it, or in
    its folders ``train`` and its like).

    Raises:
        DataError: it holds none of these, or two files for one split.
    """
    if (folder / _SAVED_DICT).is_file() or (folder / _SAVED).is_file():
        return _saved_places(folder)
    places = _split_files(folder, encoding) or _class_places(folder, encoding)
    if not places:
        endings = ", ".join(ending for ending, kind in FORMATS.items() if kind != "text")
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:_LISTED]) or "nothing"
        raise DataError(
            f"expected train.* in the folder {folder} (with {endings}), or a folder of .txt files for each class, "
            f"found {found}; name a file instead"
        )
    return places


def _split_files(folder: Path, encoding: str) -> Places:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem, _, ending = path.name.lower().partition(".")
        split = split_of(stem)
        kind = FORMATS.get("." + ending.removesuffix(".gz"), "text")
        if split is None or not path.is_file() or (kind == "text" and not _is_labelled_text(path)):
            continue
        if split in files:
            raise DataError(f"expected one {split} file in {folder}, found {files[split].name} and {path.name}")
        files[split] = path
    return {split: [file_place(path, encoding)] for split, path in files.items()}


def _is_labelled_text(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith((".txt", ".ft")) and has_columns(path)


def _class_places(folder: Path, encoding: str) -> Places:
    """A folder for each class, with a text a file."""
    places: Places = {}
    for path in _folders(folder):
        split = split_of(path.name)
        if split is not None and (classes := _class_folders(path)):
            if split in places:
                raise DataError(f"expected one folder for {split} in {folder}, found {path.name} and another")
            places[split] = [_class_place(each, encoding) for each in classes]
    if not places and (classes := _class_folders(folder)):
        places["train"] = [_class_place(each, encoding) for each in classes]
    return places


def _class_place(folder: Path, encoding: str) -> Place:
    return Place(folder, partial(_read_texts, folder, encoding))


def _class_folders(folder: Path) -> list[Path]:
    found = [path for path in _folders(folder) if any(_text_files(path))]
    for path in found:
        if path.name in _UNLABELLED:
            logger.info("%s is left out: its texts have no label", path)
    return [path for path in found if path.name not in _UNLABELLED]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _text_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix.lower() in ("", ".txt") and not path.name.startswith(".") and path.is_file():
            yield path


def _read_texts(folder: Path, encoding: str) -> Iterator[pa.RecordBatch]:
    """Read a class's texts; they are labelled with the folder's name."""
    label = os.fsencode(folder.name).decode(errors="replace")
    texts: list[str] = []
    size = 0
    files = sorted(_text_files(folder))
    for path in files:
        texts.append(_read_text(path, encoding))
        size += len(texts[-1])
        if len(texts) == _BATCH_TEXTS or size > LONGEST_ROW or path is files[-1]:
            yield pa.RecordBatch.from_pydict({"text": texts, "label": [label] * len(texts)})
            texts, size = [], 0


def _read_text(path: Path, encoding: str) -> str:
    blocks: list[bytes] = []
    for block in utf8_blocks(path, encoding):
        blocks.append(block)
        if sum(map(len, blocks)) > LONGEST_ROW:
            raise DataError(f"expected texts of at most {LONGEST_ROW >> 20} MiB, but {path} is longer; is it a text?")
    return b"".join(blocks).decode().rstrip("\r\n")


def _saved_places(folder: Path) -> Places:
    """What ``save_to_disk`` wrote: Arrow files that a JSON file names, one folder for each split or just one."""
    if not (folder / _SAVED_DICT).is_file():
        return {"train": _shards(folder)}
    names = _listed(folder / _SAVED_DICT, lambda value: value["splits"])
    places = {split: _shards(folder / name) for name in names if (split := split_of(name))}
    if not places:
        raise DataError(f"expected a split train in {folder}, found {', '.join(names) or 'none'}; save it with one")
    return places


def _shards(folder: Path) -> list[Place]:
    names = _listed(folder / _SAVED, lambda value: [each["filename"] for each in value["_data_files"]])
    return [Place(folder / name, partial(read_batches, folder / name, file_format="arrow")) for name in names]


def _listed(path: Path, take: Callable[[Any], Any]) -> list[str]:
    """Names of entries of the file's folder that it lists."""
    try:
        names = take(json.loads(path.read_bytes()))
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        names = None
    if type(names) is not list or not names or not all(map(_is_plain_name, names)):
        raise DataError(
            f"expected a folder that datasets saved, but {path} is missing or not as they write it; save it anew"
        )
    return names


def _is_plain_name(name: Any) -> bool:
    """Tell whether it names an entry of a folder, and nothing outside."""
    return type(name) is str and name == Path(name).name and name not in ("", "..")
