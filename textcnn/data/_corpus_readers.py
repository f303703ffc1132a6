"""Readers of the named corpora: the files that their authors publish, or copies on the hub.

Every count is checked. SHA-256 sums are checked where the project has seen the files; if only they differ, a warning
is logged, since a copy may differ harmlessly.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data._corpus import Corpus, CorpusOptions, Tables
from textcnn.data._hub import read_copy
from textcnn.data._labels import encode_labels
from textcnn.data._trees import parse_tree
from textcnn.data.local_files import read_table
from textcnn.data.splits import stratified_folds, stratified_split
from textcnn.data.table_columns import pick_columns, texts_of
from textcnn.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

MR_SEED = 2005
FOLD_SEED = 2014
_TOLERANCE = 0.01  # of a count, for files without a known SHA-256
_TREC_LINE = r"^(?P<label>[A-Z]+):\S+ (?P<text>.*)$"


def read_corpus(corpus: Corpus, *, data_dir: str | Path | None, hub: bool, options: CorpusOptions) -> Tables:
    """Read a corpus and check its counts.

    Args:
        corpus: One of `CORPORA`.
        data_dir: The folder with its files, or with `corpus.folder` that holds them.
        hub: Whether to read its copy on the hub instead.
        options: Which texts to read.

    Raises:
        ConfigError: Both a folder and the hub are given, or the hub has no copy.
        DataError: Files are missing, cannot be read, or have other counts than stated.
    """
    if hub:
        if corpus.hub is None:
            raise ConfigError(f"expected a corpus with a copy on the hub, found {corpus.name}; leave out --hub")
        if data_dir is not None:
            raise ConfigError(
                f"expected either --data-dir or --hub to read {corpus.name} from, found both; leave out one"
            )
        return _without_markup(corpus, read_copy(corpus, corpus.hub, options))
    paths = _find_files(corpus, data_dir, options)
    tables = corpus.loader(corpus, paths, options)
    if not corpus.folds:
        for split, table in tables.items():
            expected = corpus.phrases if split == "train" and options.phrases else 0
            _check_count(corpus, f"the {split} split", expected or corpus.counts[split], table.num_rows)
    for path in paths.values():
        _compare_checksum(corpus, path)
    return _without_markup(corpus, tables)


def _without_markup(corpus: Corpus, tables: Tables) -> Tables:
    if not corpus.markup:
        return tables
    return {
        split: table.set_column(0, "text", pc.replace_substring(table["text"], corpus.markup, " "))
        for split, table in tables.items()
    }


def _find_files(corpus: Corpus, data_dir: str | Path | None, options: CorpusOptions) -> dict[str, Path]:
    wanted = {role: name for role, name in corpus.files.items() if role != "unsupervised" or options.unsupervised}
    if not wanted:
        return {}
    listed = ", ".join(wanted.values())
    if data_dir is None:
        raise DataError(
            f"expected the folder with the files of {corpus.name} ({listed}), found none; get them from "
            f"{corpus.origin} and name their folder with --data-dir, or read a copy on the Hugging Face hub with --hub"
        )
    for folder in (Path(data_dir), Path(data_dir) / corpus.folder):
        if all((folder / name).is_file() for name in wanted.values()):
            return {role: folder / name for role, name in wanted.items()}
    raise DataError(
        f"expected the files of {corpus.name} ({listed}) in {data_dir} or {Path(data_dir) / corpus.folder}, "
        f"found not all of them; get them from {corpus.origin}"
    )


def _compare_checksum(corpus: Corpus, path: Path) -> None:
    if not corpus.sha256:
        return
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != corpus.sha256[path.name]:
        logger.warning("%s differs from the copy of %s that was tested: other SHA-256", path, corpus.name)


def _check_count(corpus: Corpus, what: str, expected: int, found: int) -> None:
    if found == expected:
        return
    # Copies of corpora whose files the project has not seen are known to differ by a few lines.
    if not corpus.sha256 and abs(found - expected) <= _TOLERANCE * expected:
        logger.warning(
            "expected %d texts in %s of %s, as in the papers, found %d: scores may differ",
            *(expected, what, corpus.name, found),
        )
        return
    raise DataError(
        f"expected {expected:,} texts in {what} of {corpus.name}, found {found:,}; get its files from {corpus.origin}"
    )


def load_sample(corpus: Corpus, paths: Mapping[str, Path], options: CorpusOptions) -> Tables:
    """Read the sample that is included in the project."""
    with resources.as_file(resources.files("textcnn.data") / "sample.csv") as path:
        table = read_table(path)
        labels = encode_labels(table["label"], corpus.classes, path=path, known_from="its description")
    table = table.set_column(table.schema.get_field_index("label"), "label", labels)
    columns = ["text", "label", "topic", "kind"]
    return {
        split: table.filter(pc.equal(table["split"], split)).select(columns).combine_chunks()
        for split in ("train", "test")
    }


def load_mr(corpus: Corpus, paths: Mapping[str, Path], options: CorpusOptions) -> Tables:
    """Read one file per class and split by a method of its own, which published results depend on."""
    table = _read_sides(corpus, paths)
    labels = table["label"].to_numpy()
    rest, test = stratified_split(labels, 0.1, MR_SEED)
    train, validation = stratified_split(labels[rest], 1 / 9, MR_SEED)
    return _taken(table, {"train": rest[train], "validation": rest[validation], "test": test})


def load_sides(corpus: Corpus, paths: Mapping[str, Path], options: CorpusOptions) -> Tables:
    """Read one file per class; the first two of ten folds are test and validation."""
    table = _read_sides(corpus, paths)
    test, validation, *others = stratified_folds(table["label"].to_numpy(), 10, FOLD_SEED)
    return _taken(table, {"train": np.sort(np.concatenate(others)), "validation": validation, "test": test})


def _read_sides(corpus: Corpus, paths: Mapping[str, Path]) -> pa.Table:
    columns = [read_table(paths[name], encoding="latin-1", file_format="text")["text"] for name in corpus.classes]
    text = pa.chunked_array([chunk for column in columns for chunk in pc.utf8_trim(column, " ").chunks])
    files = " and ".join(path.name for path in paths.values())
    _check_count(corpus, files, sum(corpus.counts.values()), len(text))
    labels = np.repeat(np.arange(len(columns)), [len(column) for column in columns])
    return pa.table({"text": text, "label": labels})


def _taken(table: pa.Table, rows: Mapping[str, np.ndarray]) -> Tables:
    return {split: table.take(pa.array(chosen)).combine_chunks() for split, chosen in rows.items()}


def load_sst(corpus: Corpus, paths: Mapping[str, Path], options: CorpusOptions) -> Tables:
    """Read one file of trees per split."""
    binary = len(corpus.classes) == 2
    return {
        split: _read_trees(path, binary=binary, phrases=options.phrases and split == "train")
        for split, path in paths.items()
    }


def _read_trees(path: Path, *, binary: bool, phrases: bool) -> pa.Table:
    """Read a file of trees; with `phrases`, every distinct constituent once, with its first sentence."""
    texts: list[str] = []
    labels: list[int] = []
    sentences: list[int] = []
    seen: set[tuple[str, int]] = set()
    for number, line in enumerate(read_table(path, file_format="text")["text"].to_pylist()):
        try:
            constituents = parse_tree(line)
        except ValueError as error:
            raise DataError(
                f"expected a tree such as (3 (2 good) (2 film)) in line {number + 1} of {path}, but {error}; fix it"
            ) from error
        for text, label in constituents if phrases else constituents[:1]:
            if binary:
                if label == 2:
                    continue
                label = int(label > 2)
            if phrases and (text, label) in seen:
                continue
            seen.add((text, label))
            texts.append(text)
            labels.append(label)
            sentences.append(number)
    columns = {"text": pa.array(texts, pa.string()), "label": pa.array(labels, pa.int64())}
    return pa.table(columns | ({"sentence": pa.array(sentences, pa.int64())} if phrases else {}))


def load_trec(corpus: Corpus, paths: Mapping[str, Path], options: CorpusOptions) -> Tables:
    """Read one file per split, with a class and a question on each line."""
    return {split: _read_questions(path, corpus.classes) for split, path in paths.items()}


def _read_questions(path: Path, classes: tuple[str, ...]) -> pa.Table:
    lines = read_table(path, encoding="latin-1", file_format="text")["text"]
    parts = pc.extract_regex(lines, _TREC_LINE)
    if parts.null_count:
        wrong = pc.indices_nonzero(parts.is_null())[0].as_py()
        raise DataError(
            f"expected 'COARSE:fine question' in every line of {path}, "
            f"found {lines[wrong].as_py()[:40]!r} in line {wrong + 1}; fix it"
        )
    labels = encode_labels(pc.struct_field(parts, "label"), classes, path=path, known_from="its description")
    return pa.table({"text": pc.struct_field(parts, "text"), "label": labels})


def load_imdb(corpus: Corpus, paths: Mapping[str, Path], options: CorpusOptions) -> Tables:
    """Read one Parquet file per split."""
    return {split: _read_reviews(path, labelled=split != "unsupervised") for split, path in paths.items()}


def _read_reviews(path: Path, *, labelled: bool) -> pa.Table:
    table = read_table(path)
    pick_columns(table.column_names, "text", "label", path=path)
    texts = pa.chunked_array([texts_of(chunk, path=path) for chunk in table["text"].chunks])
    if labelled:
        labels = encode_labels(table["label"], ["0", "1"], path=path, known_from="its description")
    else:
        labels = pa.array(np.full(len(texts), -1))
    return pa.table({"text": texts, "label": labels})


def load_ag_news(corpus: Corpus, paths: Mapping[str, Path], options: CorpusOptions) -> Tables:
    """Read one CSV file without a header per split."""
    return {split: _read_news(path, len(corpus.classes)) for split, path in paths.items()}


def _read_news(path: Path, classes: int) -> pa.Table:
    """Read rows of a class number from 1, a title and a description; the text is both of them."""
    table = read_table(path, column_names=("class", "title", "description"))
    numbers = [str(number) for number in range(1, classes + 1)]
    labels = encode_labels(table["class"], numbers, path=path, known_from="its description")
    title, description = (
        pa.chunked_array([texts_of(chunk, path=path, missing_as_empty=True) for chunk in table[name].chunks])
        for name in ("title", "description")
    )
    return pa.table({"text": pc.binary_join_element_wise(title, description, " "), "label": labels})
