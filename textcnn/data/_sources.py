"""A source's name to a dataset: a named corpus, files, a folder, or a data set on the Hugging Face hub."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._corpora import CORPORA
from textcnn.data._corpus import Corpus, Options, Tables
from textcnn.data._hub import hub_places, is_hub_name
from textcnn.data._labels import class_names, declared_names, encode_labels, label_texts
from textcnn.data._loaders import read_corpus
from textcnn.data._picking import nearest, pick_columns, texts_of
from textcnn.data._places import Place, Places, file_place, folder_places, matching_files
from textcnn.data.local_files import near_files
from textcnn.errors import ConfigError, DataError

if TYPE_CHECKING:
    import datasets

_SPLITS = ("train", "validation", "test", "unsupervised")


class Columns(NamedTuple):
    """The names of the columns that matter, where they are known."""

    text: str | None
    label: str | None


@dataclass(frozen=True)
class Part:
    """Labelled texts from one place.

    Attributes:
        name: of the place, for the errors.
        texts: strings.
        labels: strings.
        classes: the names that the place itself declares.
    """

    name: str | Path
    texts: pa.ChunkedArray
    labels: pa.ChunkedArray
    classes: tuple[str, ...] | None


def corpus_names() -> list[str]:
    """Names that `load_corpus` knows."""
    return list(CORPORA)


def describe(name: str) -> Corpus:
    """Tell what a named corpus is: classes, counts, origin, terms, protocol, the hub's copy.

    Raises:
        DataError: there is no corpus of this name.
    """
    if name not in CORPORA:
        raise DataError(f"expected a corpus ({', '.join(CORPORA)}), found {name!r}{nearest(name, CORPORA)}")
    return CORPORA[name]


def load_corpus(
    source: str | Path | Sequence[str | Path],
    *,
    data_dir: str | Path | None = None,
    hub: bool = False,
    text_column: str | None = None,
    label_column: str | None = None,
    encoding: str = "utf-8",
    validation: str | Path | None = None,
    test: str | Path | None = None,
    known_classes: Sequence[str] | None = None,
    phrases: bool = True,
    unsupervised: bool = False,
) -> datasets.DatasetDict:
    """Load labelled texts.

    Args:
        source: one of

            - a corpus's name (see `corpus_names`), which goes before a path: write ``./mr`` for a folder of that name;
            - the path of a file, several paths, or a pattern such as ``data/*.csv``;
            - the path of a folder that holds ``train.*`` and maybe ``validation.*`` (or ``valid``, ``dev``, ``val``)
              and ``test.*``, or a folder of texts for each class, or what ``datasets`` saved there;
            - ``user/name`` or ``user/name:config`` on the Hugging Face hub, where nothing here has that path.
        data_dir: where the original files of a named corpus are.
        hub: whether a named corpus is read from its copy on the hub, or ``source`` is a clone of a repository there.
        text_column: the files' column of texts; usual names are found by themselves.
        label_column: the files' column of labels, likewise.
        encoding: of text files.
        validation: a file for the validation split, or a pattern; takes the place of the source's own.
        test: a file for the test split, likewise.
        known_classes: the classes, in this order, where they are known beforehand, such as those of a model to be
            scored. The source then need not have all of them, nor a training split, but must have no other.
        phrases: whether ``sst1`` and ``sst2`` train on phrases beside sentences.
        unsupervised: whether ``imdb`` gives its unlabelled part too, with label -1.

    Returns:
        Splits ``train``, ``validation`` and ``test``, those that exist, with the columns ``text`` and ``label``
        (``ClassLabel``; its names are those that the source declares, or the labels sorted). Beside them ``sample``
        has ``topic`` and ``kind``, and the training split of ``sst1`` and ``sst2`` with phrases has ``sentence``, the
        number of the sentence in which a phrase first stands.

    Raises:
        ConfigError: an option does not go with the source.
        DataError: there is no such source, or it is not what it should be.
    """
    known = _checked_classes(known_classes)
    columns = Columns(text_column, label_column)
    given = {"validation": validation, "test": test}
    places = {split: _named_files(path, encoding) for split, path in given.items() if path is not None}
    if unsupervised and source != "imdb":
        raise ConfigError(f"expected unsupervised texts to be asked of imdb, found {str(source)!r}, which has none")
    tables: Tables = {}
    classes = known
    if isinstance(source, str) and source in CORPORA:
        if columns != (None, None) and not places:
            raise ConfigError(f"expected columns to be named for files, found {source!r}, a named corpus")
        corpus = CORPORA[source]
        tables = read_corpus(corpus, data_dir=data_dir, hub=hub, options=Options(phrases, unsupervised))
        classes = known or list(corpus.classes)
        if known:
            tables = {split: _renumbered(table, corpus, known) for split, table in tables.items()}
    else:
        places = _find(source, hub, encoding) | places
        if "train" not in places and not known:
            found = " and ".join(sorted(places))
            raise DataError(f"expected texts to train on in {source}, found only {found} texts; name another source")
    parts = _read_all(places, columns)
    classes = classes or _classes(parts["train"])
    tables |= {split: _encoded(read, classes, "training" if known else "train") for split, read in parts.items()}
    return _to_datasets(tables, classes)


def _checked_classes(known: Sequence[str] | None) -> list[str] | None:
    if known is None:
        return None
    names = list(known)
    if isinstance(known, str) or not names or len(set(names)) < len(names):
        raise ConfigError(f"expected a list of different class names as known_classes, found {known!r}")
    return names


def _find(source: str | Path | Sequence[str | Path], hub: bool, encoding: str) -> Places:
    """The places of a source that is no named corpus."""
    if not isinstance(source, str | Path):
        if not source:
            raise DataError("expected the paths of files, found an empty list")
        return {"train": [file_place(Path(path), encoding) for path in source]}
    if hub:
        return hub_places(str(source))
    # os.path, since pathlib raises for some names, such as overlong ones
    if os.path.isdir(source):  # noqa: PTH112
        return folder_places(Path(source), encoding)
    if os.path.isfile(source) or matching_files(str(source)):  # noqa: PTH113
        return {"train": _named_files(source, encoding)}
    if is_hub_name(str(source)):
        return hub_places(str(source))
    raise DataError(
        f"expected a corpus ({', '.join(CORPORA)}), a file, a folder, or user/name on the Hugging Face hub, "
        f"found {str(source)!r}{nearest(str(source), CORPORA) or near_files(Path(source))}"
    )


def _named_files(path: str | Path, encoding: str) -> list[Place]:
    """The file of this name, or else those that it matches."""
    matching = [] if os.path.exists(path) else matching_files(str(path))  # noqa: PTH110
    return [file_place(each, encoding) for each in matching or [Path(path)]]


def _read_all(places: Places, columns: Columns) -> dict[str, list[Part]]:
    """Read all splits, training texts first: their columns are those of all."""
    parts: dict[str, list[Part]] = {}
    for split in sorted(places, key=_SPLITS.index):
        parts[split] = []
        for place in places[split]:
            part, columns = _read(place, columns)
            parts[split].append(part)
    return parts


def _read(place: Place, columns: Columns) -> tuple[Part, Columns]:
    """Read the two columns that matter, and nothing else is kept.

    Returns:
        The part, and the names of its columns.
    """
    texts: list[pa.Array] = []
    labels: list[pa.Table] = []
    names = None
    rows = 1
    for batch in place.batches():
        if not texts:
            columns = Columns(*pick_columns(batch.schema.names, *columns, path=place.name))
            names = declared_names(batch.schema, str(columns.label))
        texts.append(texts_of(batch.column(columns.text), path=place.name, first_row=rows))
        labels.append(pa.table({"label": batch.column(columns.label)}))
        rows += batch.num_rows
    # a column of JSON may turn from nulls or whole numbers to others
    column = pa.concat_tables(labels, promote_options="permissive")["label"]
    label = label_texts(column, path=place.name, names=names)
    return Part(place.name, pa.chunked_array(texts), label, names), columns


def _classes(parts: list[Part]) -> list[str]:
    """The classes of the training texts: those that all places declare alike, or else those found."""
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    labels = pa.chunked_array([chunk for part in parts for chunk in part.labels.chunks], pa.string())
    found = class_names(labels, path=f"{parts[0].name}{more}")
    declared = {part.classes for part in parts}
    return list(declared.pop() or found) if len(declared) == 1 else found


def _encoded(parts: list[Part], classes: list[str], known_from: str) -> pa.Table:
    texts = [chunk for part in parts for chunk in part.texts.chunks]
    labels = [encode_labels(part.labels, classes, path=part.name, known_from=known_from) for part in parts]
    return pa.table({"text": pa.chunked_array(texts), "label": pa.chunked_array(labels)})


def _renumbered(table: pa.Table, corpus: Corpus, known: list[str]) -> pa.Table:
    """Give a named corpus's labels as places in other classes; -1, for none, stays."""
    labelled = pc.greater_equal(table["label"], 0)
    if not pc.any(labelled).as_py():
        return table
    names = pc.take(pa.array(corpus.classes), table["label"])
    ids = encode_labels(names, known, path=corpus.name, known_from="training")
    return table.set_column(table.schema.get_field_index("label"), "label", ids)


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
