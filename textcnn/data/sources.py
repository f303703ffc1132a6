"""A source's name to a dataset: a named corpus, a file, or a folder of files."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from textcnn.data.columns import nearest, pick_columns, texts_of
from textcnn.data.corpora import CORPORA, Corpus, Options, Tables, read_corpus
from textcnn.data.files import FORMATS, has_columns, near_files, read_batches
from textcnn.data.labels import class_names, encode_labels
from textcnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    import datasets

_FILE_STEMS = {"train": ("train",), "validation": ("validation", "valid", "dev", "val"), "test": ("test",)}
_SPLITS = (*_FILE_STEMS, "unsupervised")


def corpus_names() -> list[str]:
    """Names that `load_corpus` knows."""
    return list(CORPORA)


def describe(name: str) -> Corpus:
    """Tell what a named corpus is: classes, counts, origin, terms, protocol.

    Raises:
        DataError: there is no corpus of this name.
    """
    if name not in CORPORA:
        raise DataError(f"expected a corpus ({', '.join(CORPORA)}), found {name!r}{nearest(name, CORPORA)}")
    return CORPORA[name]


def load_corpus(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str = "utf-8",
    validation: str | Path | None = None,
    test: str | Path | None = None,
    phrases: bool = True,
    unsupervised: bool = False,
) -> datasets.DatasetDict:
    """Load labelled texts.

    Args:
        source: a corpus's name (see `corpus_names`), the path of a file, or of a folder that holds ``train.*`` and
            maybe ``validation.*`` (or ``valid``, ``dev``, ``val``) and ``test.*``. A name goes before a path: write
            ``./mr`` for a folder of that name.
        data_dir: where the original files of a named corpus are.
        text_column: the files' column of texts; usual names are found by themselves.
        label_column: the files' column of labels, likewise.
        encoding: of text files.
        validation: a file for the validation split; takes the place of the source's own.
        test: a file for the test split, likewise.
        phrases: whether ``sst1`` and ``sst2`` train on phrases beside sentences.
        unsupervised: whether ``imdb`` gives its unlabelled part too, with label -1.

    Returns:
        Splits ``train``, ``validation`` and ``test``, those that exist, with the columns ``text`` and ``label``
        (``ClassLabel``). Beside them ``sample`` has ``topic`` and ``kind``, and the training split of ``sst1`` and
        ``sst2`` with phrases has ``sentence``, the number of the sentence in which a phrase first stands.

    Raises:
        ConfigError: an option does not go with the source.
        DataError: there is no such source, or it is not what it should be.
    """
    name = str(source)
    given = {split: Path(path) for split, path in (("validation", validation), ("test", test)) if path is not None}
    if unsupervised and name != "imdb":
        raise ConfigError(f"expected unsupervised texts to be asked of imdb, found {name!r}, which has none")
    if name in CORPORA:
        if (text_column or label_column) and not given:
            raise ConfigError(f"expected text and label columns to be named for files, found {name!r}, a named corpus")
        corpus = CORPORA[name]
        classes = list(corpus.classes)
        options = Options(phrases=phrases, unsupervised=unsupervised)
        tables = read_corpus(corpus, data_dir=data_dir, options=options)
    else:
        files = _local_files(Path(source)) | given
        train_file = files.pop("train")
        train, text_column, label_column = _read_labelled(train_file, text_column, label_column, encoding)
        classes = class_names(train["label"], path=train_file)
        tables = {"train": _encoded(train, classes, train_file)}
        given = files
    for split, path in given.items():
        table, _, _ = _read_labelled(path, text_column, label_column, encoding)
        tables[split] = _encoded(table, classes, path)
    return _to_datasets(tables, classes)


def _local_files(source: Path) -> dict[str, Path]:
    """The files of a source, by split."""
    # os.path, since pathlib raises for some names, such as overlong ones
    if os.path.isfile(source):  # noqa: PTH113
        return {"train": source}
    if not os.path.isdir(source):  # noqa: PTH112
        raise DataError(
            f"expected a corpus ({', '.join(CORPORA)}), a file or a folder, found {str(source)!r}"
            f"{nearest(str(source), CORPORA) or near_files(source)}"
        )
    files: dict[str, Path] = {}
    for path in sorted(source.iterdir()):
        stem, _, ending = path.name.lower().partition(".")
        split = next((split for split, stems in _FILE_STEMS.items() if stem in stems), None)
        if split is None or FORMATS.get("." + ending.removesuffix(".gz"), "text") == "text":
            continue
        if split in files:
            raise DataError(f"expected one {split} file in {source}, found {files[split].name} and {path.name}")
        files[split] = path
    if "train" not in files:
        endings = ", ".join(ending for ending, kind in FORMATS.items() if kind != "text")
        found = ", ".join(sorted(path.name for path in source.iterdir())[:10]) or "nothing"
        raise DataError(f"expected train.* in the folder {source} (with {endings}), found {found}; name a file instead")
    return files


def _read_labelled(
    path: Path, text_column: str | None, label_column: str | None, encoding: str
) -> tuple[pa.Table, str | None, str | None]:
    """Read the two columns that matter, and nothing else is kept.

    Returns:
        A table of ``text`` and ``label`` as it is written, and the columns' names in the file.
    """
    if os.path.isfile(path) and not has_columns(path):  # noqa: PTH113
        raise DataError(
            f"expected texts with labels, found {path}, plain text without; give a CSV, TSV, JSON Lines or Parquet file"
        )
    texts: list[pa.Array] = []
    labels: list[pa.Table] = []
    rows = 1
    for batch in read_batches(path, encoding=encoding):
        if not texts:
            text_column, label_column = pick_columns(batch.schema.names, text_column, label_column, path=path)
        texts.append(texts_of(batch.column(text_column), path=path, first_row=rows))
        labels.append(pa.table({"label": batch.column(label_column)}))
        rows += batch.num_rows
    # a column of JSON may turn from nulls or whole numbers to others
    label = pa.concat_tables(labels, promote_options="permissive")["label"]
    return pa.table({"text": pa.chunked_array(texts), "label": label}), text_column, label_column


def _encoded(table: pa.Table, classes: list[str], path: Path) -> pa.Table:
    return table.set_column(1, "label", encode_labels(table["label"], classes, path=path))


def _to_datasets(tables: Tables, classes: list[str]) -> datasets.DatasetDict:
    import datasets

    splits = {}
    for split in sorted(tables, key=_SPLITS.index):
        features = datasets.Features.from_arrow_schema(tables[split].schema)
        features["label"] = datasets.ClassLabel(names=classes)
        splits[split] = datasets.Dataset(
            tables[split],
            info=datasets.DatasetInfo(features=features),
            split=datasets.NamedSplit(split),
            fingerprint=secrets.token_hex(8),  # otherwise all texts would be hashed for a cache that is not used
        )
    return datasets.DatasetDict(splits)
