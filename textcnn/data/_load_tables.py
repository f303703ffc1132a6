"""From a source's name to its labelled texts, whether named corpus, files, folder or hub."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._batch_source import BatchSource, FileForm, SourcesBySplit, file_source
from textcnn.data._corpus import Corpus, CorpusOptions, Tables
from textcnn.data._corpus_readers import read_corpus
from textcnn.data._folders import folder_sources
from textcnn.data._hub import hub_sources, is_hub_name
from textcnn.data._label_lists import encode_lists
from textcnn.data._labels import class_names, encode_labels
from textcnn.data._named_corpora import CORPORA
from textcnn.data._parts import SPLITS, Choice, RawPart, of_one_kind, read_parts, without_rare
from textcnn.data.checks import doubts
from textcnn.data.labelled import LabelledTables, is_list
from textcnn.data.local_files import check_path, matching_files, named_files
from textcnn.data.table_columns import TextColumn
from textcnn.errors import ConfigError, DataError, nearest_names, quoted
from textcnn.files import nearest_files

logger = logging.getLogger(__name__)


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


def load_tables(
    source: str | Path | Sequence[str | Path],
    *,
    data_dir: str | Path | None = None,
    hub: bool = False,
    text_column: TextColumn = None,
    label_column: str | int | None = None,
    label_columns: str | Sequence[str] | None = None,
    label_separator: str | None = None,
    weight_column: str | None = None,
    least_texts: int = 1,
    merge_rare: str | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quoting: str = "auto",
    header: bool = True,
    skip_missing: bool = False,
    validation: str | Path | None = None,
    test: str | Path | None = None,
    known_classes: Sequence[str] | None = None,
    several: bool | None = None,
    phrases: bool = True,
    unsupervised: bool = False,
    row_numbers: bool = False,
) -> LabelledTables:
    """Load labelled texts without `datasets`; arguments and errors as of `textcnn.data.load_corpus`.

    Returns:
        What `load_corpus` returns, as tables of the same columns.
    """
    known = _checked_classes(known_classes)
    marks = label_columns.split(",") if isinstance(label_columns, str) else label_columns or ()
    columns = Choice(text_column, label_column, tuple(name.strip() for name in marks), label_separator, weight_column)
    columns.check()
    if merge_rare is not None and least_texts < 2:
        raise ConfigError("merge_rare: expected a number of texts that a label needs beside it, above 1, found none")
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
        if (columns != Choice() or least_texts > 1) and not sources:
            raise ConfigError(
                f"expected options on columns and labels with files only, found the corpus {source!r}; leave them out"
            )
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
    parts = of_one_kind(read_parts(sources, columns, set() if known else own, skip_missing=skip_missing), several)
    if least_texts > 1 and not known:
        parts = without_rare(parts, least_texts, merge_rare)
    classes = classes or _classes(parts["train"])
    tables |= {split: _encoded(read, classes, "training" if known else "train") for split, read in parts.items()}
    tables = {split: _numbered(table) if row_numbers else _unnumbered(table) for split, table in tables.items()}
    loaded = LabelledTables({split: tables[split] for split in sorted(tables, key=SPLITS.index)}, classes)
    if not known:
        _warn(source, loaded, parts["train"][0].column if "train" in parts else None)
    return loaded


def _warn(source: str | Path | Sequence[str | Path], loaded: LabelledTables, column: str | None) -> None:
    """Log what makes scores on a corpus doubtful."""
    labelled = {split: part for split, part in loaded.parts().items() if split != "unsupervised"}
    name = source if isinstance(source, str | Path) else ", ".join(map(str, source))
    for line in doubts(labelled, loaded.classes, column=column):
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
    return [file_source(each, form) for each in named_files([path])]


def _classes(parts: list[RawPart]) -> list[str]:
    """Return the classes of the training texts: those that all parts declare alike, or else those found."""
    more = f" and {len(parts) - 1} more" if len(parts) > 1 else ""
    flat = [pc.list_flatten(part.labels) if is_list(part.labels.type) else part.labels for part in parts]
    labels = pa.chunked_array([chunk for each in flat for chunk in each.chunks], pa.string())
    if not len(labels):
        raise DataError(f"expected texts with labels in {parts[0].name}{more}, found none that has one")
    declared = {part.classes for part in parts}
    names = declared.pop() if len(declared) == 1 else None
    several = is_list(parts[0].labels.type)
    if names is None or not several:
        found = class_names(labels.drop_null(), path=f"{parts[0].name}{more}")
    return list(names or found)


def _encoded(parts: list[RawPart], classes: list[str], known_from: str) -> pa.Table:
    tables = []
    before = 0
    for part in parts:
        if is_list(part.labels.type):
            ids = encode_lists(part.labels, classes, path=part.name, known_from=known_from)
        else:
            ids = encode_labels(part.labels, classes, path=part.name, known_from=known_from, keep_missing=True)
        table = _numbered(pa.table({"text": part.texts, "label": ids}), before)
        before += len(table)
        if part.weights is not None:
            table = table.append_column("weight", part.weights)
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
