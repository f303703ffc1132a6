"""`load_corpus`: from a source's name to its dataset, whether named corpus, files, folder or hub."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._batch_source import BatchSource, FileForm, SourcesBySplit, file_source, matching_files
from textcnn.data._corpus import Corpus, CorpusOptions, Tables
from textcnn.data._corpus_readers import read_corpus
from textcnn.data._folders import folder_sources
from textcnn.data._hub import hub_sources, is_hub_name
from textcnn.data._labels import all_missing, class_names, declared_names, encode_labels, label_texts
from textcnn.data._named_corpora import CORPORA
from textcnn.data.checks import doubts
from textcnn.data.labelled import Labelled, label_names
from textcnn.data.local_files import check_path
from textcnn.data.table_columns import LABEL_NAMES, TextColumn, check_none_missing, joined_texts, pick_columns
from textcnn.errors import ConfigError, DataError, nearest_names, quoted
from textcnn.files import nearest_files

if TYPE_CHECKING:
    import datasets

logger = logging.getLogger(__name__)

_SPLITS = ("train", "validation", "test", "unsupervised")


class Choice(NamedTuple):
    """The text and label columns that the caller names, or that the training texts have."""

    text: TextColumn
    label: str | int | None


@dataclass(frozen=True)
class RawPart:
    """Texts and labels of one `BatchSource`, before labels become ids.

    Attributes:
        name: The source's name, for the errors.
        texts: Strings, (N,).
        labels: Strings, (N,); null where the row is left out.
        classes: The class names that the source itself declares, if any.
        column: The name of the labels' column.
    """

    name: str | Path
    texts: pa.ChunkedArray
    labels: pa.ChunkedArray
    classes: tuple[str, ...] | None
    column: str


def corpus_names() -> list[str]:
    """Return the names of the corpora that `load_corpus` knows."""
    return list(CORPORA)


def describe(name: str) -> Corpus:
    """Return the description of a named corpus: classes, counts, origin, terms, protocol, the copy on the hub.

    Args:
        name: The corpus's name.

    Raises:
        DataError: There is no corpus of this name.
    """
    if name not in CORPORA:
        raise DataError(f"expected a corpus ({', '.join(CORPORA)}), found {quoted(name)}{nearest_names(name, CORPORA)}")
    return CORPORA[name]


def load_corpus(
    source: str | Path | Sequence[str | Path],
    *,
    data_dir: str | Path | None = None,
    hub: bool = False,
    text_column: TextColumn = None,
    label_column: str | int | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quoting: str = "auto",
    header: bool = True,
    skip_missing: bool = False,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    known_classes: Sequence[str] | None = None,
    phrases: bool = True,
    unsupervised: bool = False,
    row_numbers: bool = False,
) -> datasets.DatasetDict:
    """Load labelled texts.

    Args:
        source: One of

            - a corpus's name (see `corpus_names`), which wins over a path: write `./mr` for a folder of that name;
            - the path of a file, several paths, or a pattern such as `data/*.csv`;
            - the path of a folder that contains `train.*` and optionally `validation.*` (or `valid`, `dev`, `val`)
              and `test.*`, or a folder of texts per class, or what `datasets` saved;
            - `user/name` or `user/name:config` on the Hugging Face hub, if there is no such local path.
        data_dir: The folder with the original files of a named corpus.
        hub: Whether to read a named corpus from its copy on the hub, or `source` is a clone of a repository there.
        text_column: The files' column of texts, or several, which are joined by a blank: a list, or names between
            commas. If None, a usual name is looked for.
        label_column: The files' column of labels; if None, a usual name is looked for.
        encoding: The encoding of text files.
        delimiter: The delimiter of CSV and TSV files; if None, it is found by their headers.
        quoting: How quotes in CSV and TSV files are read: `auto`, or `none` for fields as written.
        header: Whether CSV and TSV files have a header; if not, their columns are named by number, from 1.
        skip_missing: Whether rows without a text or label are left out, with a warning, rather than an error.
        validation: A file or pattern for the validation split; replaces the source's own. Columns that have other
            names than in the training file are found by their usual names, as in `test`.
        test: A file or pattern for the test split; replaces the source's own.
        known_classes: The classes, in this order, if they are known beforehand, such as those of a model to evaluate.
            The source then needs neither all of them nor a training split, but must have no others.
        phrases: Whether the training texts of `sst1` and `sst2` include phrases.
        unsupervised: Whether to add the unlabelled split of `imdb`, with label -1.
        row_numbers: Whether to add the column `row`, the number of each text in its split, from 1: rows that are left
            out count, and of several files the later ones go on.

    Returns:
        Those of the splits `train`, `validation` and `test` that exist, with the columns `text` and `label`
        (`ClassLabel`, with the names that the source declares or else the sorted labels). `sample` also has `topic`
        and `kind`, and the training split of `sst1` and `sst2` with phrases has `sentence`, the number of the first
        sentence that contains the phrase.

        A split of the source's own without any labels is left out, with a warning, unless classes are known: all
        labels are missing or -1, or there is no label column.

        What makes scores doubtful is logged as warnings (`textcnn.data.checks.doubts`), unless classes are known.

    Raises:
        ConfigError: An option does not apply to the source.
        DataError: The source does not exist or is not valid.
    """
    known = _checked_classes(known_classes)
    columns = Choice(text_column, label_column)
    form = FileForm(encoding, delimiter, quoting, header)
    given = {"validation": validation, "test": test}
    sources = {split: _named_files(path, form) for split, path in given.items() if path is not None}
    if unsupervised and source != "imdb":
        raise ConfigError(
            f"expected imdb as the source of unsupervised texts, found {quoted(str(source))}; leave them out"
        )
    tables: Tables = {}
    classes = known
    if isinstance(source, str) and source in CORPORA:
        if columns != (None, None) and not sources:
            raise ConfigError(f"expected column names with files only, found the corpus {source!r}; leave them out")
        if not sources:
            form.check_source(f"the corpus {source}")
        corpus = CORPORA[source]
        tables = read_corpus(corpus, data_dir=data_dir, hub=hub, options=CorpusOptions(phrases, unsupervised))
        classes = known or list(corpus.classes)
        if known:
            tables = {split: _renumbered(table, corpus, known) for split, table in tables.items()}
    else:
        sources = _find(source, hub, form) | sources
        if "train" not in sources and not known:
            found = " and ".join(sorted(sources))
            raise DataError(f"expected training texts in {source}, found only {found} texts; name another source")
    own = set(sources) - {split for split, path in given.items() if path is not None} - {"train"}
    parts = _read_all(sources, columns, set() if known else own, skip_missing=skip_missing)
    classes = classes or _classes(parts["train"])
    tables |= {split: _encoded(read, classes, "training" if known else "train") for split, read in parts.items()}
    tables = {split: _numbered(table) if row_numbers else _unnumbered(table) for split, table in tables.items()}
    corpus_of_splits = _to_datasets(tables, classes)
    if not known:
        _warn(source, corpus_of_splits, parts["train"][0].column if "train" in parts else None)
    return corpus_of_splits


def _warn(source: str | Path | Sequence[str | Path], corpus: datasets.DatasetDict, column: str | None) -> None:
    """Log what makes scores on a corpus doubtful."""
    labelled = {split: Labelled.from_dataset(texts) for split, texts in corpus.items() if split != "unsupervised"}
    name = source if isinstance(source, str | Path) else ", ".join(map(str, source))
    for line in doubts(labelled, label_names(corpus), column=column):
        logger.warning("%s: %s", name, line)


def check_source(source: str, *, hub: bool = False, files: Iterable[str | None] = ()) -> None:
    """Raise DataError if a source is nowhere, or one of the files beside it is not there, before any work is done."""
    if source not in CORPORA and not hub and not is_hub_name(source):
        _check_local(source)
    for path in files:
        if path is not None and not matching_files(path):
            check_path(Path(path))


def _checked_classes(known: Sequence[str] | None) -> list[str] | None:
    if known is None:
        return None
    names = list(known)
    if isinstance(known, str) or not names or len(set(names)) < len(names):
        raise ConfigError(f"expected a list of distinct class names as known_classes, found {quoted(known)}")
    return names


def _find(source: str | Path | Sequence[str | Path], hub: bool, form: FileForm) -> SourcesBySplit:
    """Return where the rows of a source come from that is no named corpus."""
    if not isinstance(source, str | Path):
        if not source:
            raise DataError("expected the paths of files, found an empty list")
        return {"train": [file_source(Path(path), form) for path in source]}
    if hub:
        form.check_source(source)
        return hub_sources(str(source))
    # os.path, since pathlib raises for some names, such as overlong ones
    if os.path.isdir(source):  # noqa: PTH112
        return folder_sources(Path(source), form)
    if os.path.isfile(source) or matching_files(str(source)):  # noqa: PTH113
        return {"train": _named_files(source, form)}
    if not is_hub_name(str(source)):
        _check_local(str(source))
    form.check_source(source)
    return hub_sources(str(source))


def _check_local(source: str) -> None:
    """Raise DataError if there is no file or folder of a name, and none that it matches as a pattern."""
    if not (os.path.isfile(source) or os.path.isdir(source) or matching_files(source)):  # noqa: PTH112, PTH113
        raise DataError(
            f"expected a corpus ({', '.join(CORPORA)}), a file, a folder, or user/name on the Hugging Face hub, "
            f"found {quoted(source)}{nearest_names(source, CORPORA) or nearest_files(Path(source))}"
        )


def _named_files(path: str | Path, form: FileForm) -> list[BatchSource]:
    """Return the file of this name, or else those that it matches as a pattern."""
    matching = [] if os.path.exists(path) else matching_files(str(path))  # noqa: PTH110
    return [file_source(each, form) for each in matching or [Path(path)]]


def _read_all(
    sources: SourcesBySplit, columns: Choice, optional: set[str], *, skip_missing: bool
) -> dict[str, list[RawPart]]:
    """Read all splits, training texts first: the other splits have the same columns, or such of usual names.

    Args:
        sources: Where they come from.
        columns: Their columns.
        optional: Splits that are left out, with a warning, if they have no labels.
        skip_missing: Whether rows without a text or label are left out.
    """
    parts: dict[str, list[RawPart]] = {}
    for split in sorted(sources, key=_SPLITS.index):
        training = parts.get("train")
        reader = _Reader(
            columns,
            or_usual=training is not None,
            training=[part.labels for part in training or ()] if split in optional else None,
            skip_missing=skip_missing,
        )
        found = [reader.read(source) for source in sources[split]]
        if training is None:
            columns = reader.columns
        labelled = [part for part in found if part is not None]
        if labelled:
            parts[split] = labelled
        if len(labelled) < len(found):
            unlabelled = next(source.name for source, part in zip(sources[split], found, strict=True) if part is None)
            what = str(unlabelled) if labelled else split
            logger.warning("%s has no labels: not %s", what, "scored" if split == "test" else "used")
    return parts


@dataclass
class _Reader:
    """Reads the sources of a split.

    Attributes:
        columns: Their columns; those of the first source are also those of the others.
        or_usual: Whether columns of usual names take the place of missing ones.
        training: The labels of the training texts, if labels may be missing: a source without labels is then None.
        skip_missing: Whether rows without a text or label are left out.
    """

    columns: Choice
    or_usual: bool
    training: list[pa.ChunkedArray] | None
    skip_missing: bool

    def read(self, source: BatchSource) -> RawPart | None:
        """Read the text and label columns of a source."""
        texts: list[pa.Array] = []
        labels: list[pa.Table] = []
        names = None
        rows = 1
        for batch in source.batches():
            if not texts:
                needed = self.training is None or not _lacks(batch.schema.names, self.columns.label)
                label_column = self.columns.label if needed else None
                chosen = pick_columns(
                    *(batch.schema.names, self.columns.text, label_column),
                    path=source.name,
                    need_label=needed,
                    or_usual=self.or_usual,
                )
                if chosen.label is None:
                    return None
                if not self.or_usual:
                    self.columns = Choice(chosen.texts, chosen.label)
                names = declared_names(batch.schema, chosen.label)
            text = joined_texts(batch, chosen.texts, path=source.name, first_row=rows)
            if not self.skip_missing:
                check_none_missing(text, path=source.name, first_row=rows)
            texts.append(text)
            labels.append(pa.table({"label": batch.column(chosen.label)}))
            rows += batch.num_rows
        # A column of JSON may change from nulls or whole numbers to another type.
        column = pa.concat_tables(labels, promote_options="permissive")["label"]
        if self.training is not None and all_missing(column, self.training):
            return None
        label = label_texts(column, path=source.name, names=names, keep_missing=self.skip_missing)
        label_column = str(chosen.label)
        return RawPart(source.name, *_without_missing(pa.chunked_array(texts), label, source.name), names, label_column)


def _without_missing(
    texts: pa.ChunkedArray, labels: pa.ChunkedArray, path: str | Path
) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """Return texts, and labels that are null where a text or label is missing; say how many rows that are."""
    if texts.null_count:
        labels = pc.if_else(texts.is_valid(), labels, None)
    if labels.null_count == len(labels):
        raise DataError(f"expected rows with a text and a label in {path}, found none; name the right columns")
    if labels.null_count:
        logger.warning("%s: %s of %s rows have no text or label: left out", path, labels.null_count, len(labels))
    return texts, labels


def _lacks(names: Sequence[str], label: str | int | None) -> bool:
    """Return whether a file has neither the label column nor one of a usual name."""
    return str(label) not in names and not any(name.strip().lower() in LABEL_NAMES for name in names)


def _classes(parts: list[RawPart]) -> list[str]:
    """Return the classes of the training texts: those that all parts declare alike, or else those found."""
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    labels = pa.chunked_array([chunk for part in parts for chunk in part.labels.chunks], pa.string())
    found = class_names(labels.drop_null(), path=f"{parts[0].name}{more}")
    declared = {part.classes for part in parts}
    return list(declared.pop() or found) if len(declared) == 1 else found


def _encoded(parts: list[RawPart], classes: list[str], known_from: str) -> pa.Table:
    tables = []
    before = 0
    for part in parts:
        ids = encode_labels(part.labels, classes, path=part.name, known_from=known_from, keep_missing=True)
        table = _numbered(pa.table({"text": part.texts, "label": ids}), before)
        before += len(table)
        tables.append(table.filter(ids.is_valid()) if ids.null_count else table)
    return pa.concat_tables(tables)


def _numbered(table: pa.Table, before: int = 0) -> pa.Table:
    """Return a table with the numbers of its rows, from 1, unless it has them already."""
    if "row" in table.column_names:
        return table
    return table.append_column("row", pa.array(range(before + 1, before + len(table) + 1), pa.int64()))


def _unnumbered(table: pa.Table) -> pa.Table:
    return table.drop_columns("row") if "row" in table.column_names else table


def _renumbered(table: pa.Table, corpus: Corpus, known: list[str]) -> pa.Table:
    """Renumber the labels of a named corpus for other classes; -1 (no label) stays."""
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
            fingerprint=secrets.token_hex(8),  # else `datasets` hashes all texts for a cache that is not used
        )
    return datasets.DatasetDict(splits)
