"""Folders of labelled texts: `train.*` and its like, a folder of texts per class, or what `datasets` saved."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from textcnn.data._batch_source import BatchSource, FileForm, SourcesBySplit, file_source, split_of
from textcnn.data._rows import LONGEST_ROW
from textcnn.data.decoding import utf8_blocks
from textcnn.data.local_files import FORMATS, has_columns, read_batches
from textcnn.errors import DataError

logger = logging.getLogger(__name__)

_UNLABELLED = ("unsup", "unsupervised")
_SAVED_DICT, _SAVED = "dataset_dict.json", "state.json"
_BATCH_TEXTS = 16_384
_MOST_ENTRIES = 10  # named in a message


def folder_sources(folder: Path, form: FileForm) -> SourcesBySplit:
    """Return what a folder holds.

    The first of these that it has: what `datasets` saved; `train.*`, `validation.*` and `test.*`; a folder of texts
    per class, directly in it or in its folders `train`, `validation` and `test`.

    Args:
        folder: The folder.
        form: How its files are written.

    Raises:
        ConfigError: It is to be read without a header, and has no CSV or TSV.
        DataError: It has none of these, or two files for one split.
    """
    if (folder / _SAVED_DICT).is_file() or (folder / _SAVED).is_file():
        form.check_source(folder)
        return _saved_sources(folder)
    sources = _split_files(folder, form)
    if not sources:
        sources = _class_sources(folder, form.encoding)
        if sources:
            form.check_source(folder)
    if not sources:
        endings = ", ".join(ending for ending, kind in FORMATS.items() if kind != "text")
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:_MOST_ENTRIES]) or "nothing"
        raise DataError(
            f"expected train.* in the folder {folder} (with {endings}), or a folder of .txt files for each class, "
            f"found {found}; name a file instead"
        )
    return sources


def _split_files(folder: Path, form: FileForm) -> SourcesBySplit:
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        stem, _, ending = path.name.lower().partition(".")
        split = split_of(stem)
        kind = FORMATS.get("." + ending.removesuffix(".gz"), "text")
        if split is None or not path.is_file() or (kind == "text" and not _is_labelled_text(path)):
            continue
        if split in files:
            raise DataError(
                f"expected one {split} file in {folder}, found {files[split].name} and {path.name}; remove one"
            )
        files[split] = path
    return {split: [file_source(path, form)] for split, path in files.items()}


def _is_labelled_text(path: Path) -> bool:
    return path.name.lower().removesuffix(".gz").endswith((".txt", ".ft")) and has_columns(path)


def _class_sources(folder: Path, encoding: str) -> SourcesBySplit:
    """Return the class folders below a folder, each of which has one text per file."""
    sources: SourcesBySplit = {}
    for path in _folders(folder):
        split = split_of(path.name)
        if split is not None and (classes := _class_folders(path)):
            if split in sources:
                raise DataError(
                    f"expected one folder for {split} in {folder}, found {path.name} and another; remove one"
                )
            sources[split] = [_class_source(each, encoding) for each in classes]
    if not sources and (classes := _class_folders(folder)):
        sources["train"] = [_class_source(each, encoding) for each in classes]
    return sources


def _class_source(folder: Path, encoding: str) -> BatchSource:
    return BatchSource(folder, partial(_read_texts, folder, encoding))


def _class_folders(folder: Path) -> list[Path]:
    found = [path for path in _folders(folder) if any(_text_files(path))]
    for path in found:
        if path.name in _UNLABELLED:
            logger.info("%s is skipped: its texts have no labels", path)
    return [path for path in found if path.name not in _UNLABELLED]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _text_files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.suffix.lower() in ("", ".txt") and not path.name.startswith(".") and path.is_file():
            yield path


def _read_texts(folder: Path, encoding: str) -> Iterator[pa.RecordBatch]:
    """Read the texts of a class; their label is the folder's name."""
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
            raise DataError(
                f"expected texts of at most {LONGEST_ROW >> 20} MiB, but {path} is longer; is it a text file?"
            )
    return b"".join(blocks).decode().rstrip("\r\n")


def _saved_sources(folder: Path) -> SourcesBySplit:
    """Return what `save_to_disk` wrote: Arrow files listed in a JSON file, in one folder per split or in just one."""
    if not (folder / _SAVED_DICT).is_file():
        return {"train": _shards(folder)}
    names = _listed(folder / _SAVED_DICT, lambda value: value["splits"])
    sources = {split: _shards(folder / name) for name in names if (split := split_of(name))}
    if not sources:
        raise DataError(f"expected a split train in {folder}, found {', '.join(names) or 'none'}; save it with one")
    return sources


def _shards(folder: Path) -> list[BatchSource]:
    names = _listed(folder / _SAVED, lambda value: [each["filename"] for each in value["_data_files"]])
    return [BatchSource(folder / name, partial(read_batches, folder / name, file_format="arrow")) for name in names]


def _listed(path: Path, take: Callable[[Any], Any]) -> list[str]:
    """Return the names of files or folders beside a JSON file that it lists."""
    try:
        names = take(json.loads(path.read_bytes()))
    except (OSError, KeyError, TypeError, ValueError, RecursionError):
        names = None
    if type(names) is not list or not names or not all(map(_is_plain_name, names)):
        raise DataError(f"expected a folder saved by datasets, but {path} is missing or invalid; save it again")
    return names


def _is_plain_name(name: Any) -> bool:
    """Return whether a name is that of an entry of a folder, and of nothing outside."""
    return type(name) is str and name == Path(name).name and name not in ("", "..")
