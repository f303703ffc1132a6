"""The named corpora: where each comes from, what it must hold, and how its authors' files are read.

Every count is stated and checked. The files' SHA-256 sums are stated too; where only they differ, a warning is
logged, since a copy may differ harmlessly.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data.columns import pick_columns, texts_of
from textcnn.data.files import read_table
from textcnn.data.labels import encode_labels
from textcnn.data.splits import stratified_split
from textcnn.data.trees import parse_tree
from textcnn.errors import DataError

logger = logging.getLogger(__name__)

_MR_SEED = 2005
_MR_SIDE = 5331  # sentences of each class
_TREC_LINE = r"^(?P<label>[A-Z]+):\S+ (?P<text>.*)$"

Tables = dict[str, pa.Table]
"""By split: columns ``text`` (string) and ``label`` (int64, a place in the classes), and others where stated."""


@dataclass(frozen=True)
class Options:
    """What a caller may choose of a corpus: see `textcnn.data.load_corpus`."""

    phrases: bool = True
    unsupervised: bool = False


@dataclass(frozen=True)
class Corpus:
    """A named corpus.

    Attributes:
        name: as a source is named.
        title: in full.
        origin: authors and where the files are had.
        terms: licence, as far as the authors state one.
        protocol: how it is split and what is done to the text.
        classes: class names in the order of their ids.
        counts: texts in each split.
        loader: reads the files.
        files: file names by what they hold.
        folder: the folder below ``data_dir`` in which the files may stand.
        phrases: texts of the training split with phrases; 0 where there are none.
        sha256: of the files, by name.
    """

    name: str
    title: str
    origin: str
    terms: str
    protocol: str
    classes: tuple[str, ...]
    counts: Mapping[str, int]
    loader: Callable[[Corpus, Mapping[str, Path], Options], Tables]
    files: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    phrases: int = 0
    sha256: Mapping[str, str] = field(default_factory=dict)


def read_corpus(corpus: Corpus, *, data_dir: str | Path | None, options: Options) -> Tables:
    """Read a corpus from its files and check what it holds.

    Args:
        corpus: one of ``CORPORA``.
        data_dir: the folder with its files, or with a folder named as the corpus's.
        options: what to read.

    Raises:
        DataError: files are missing, cannot be read, or hold other counts than the authors'.
    """
    paths = _find_files(corpus, data_dir, options)
    tables = corpus.loader(corpus, paths, options)
    for split, table in tables.items():
        expected = corpus.counts[split]
        if split == "train" and corpus.phrases and options.phrases:
            expected = corpus.phrases
        _check_count(corpus, f"the {split} split", expected, table.num_rows)
    for path in paths.values():
        _compare_checksum(corpus, path)
    return tables


def _find_files(corpus: Corpus, data_dir: str | Path | None, options: Options) -> dict[str, Path]:
    wanted = {role: name for role, name in corpus.files.items() if role != "unsupervised" or options.unsupervised}
    if not wanted:
        return {}
    listed = ", ".join(wanted.values())
    if data_dir is None:
        raise DataError(
            f"expected the folder with the files of {corpus.name} ({listed}); get them from {corpus.origin}, "
            "and name their folder with --data-dir"
        )
    for folder in (Path(data_dir), Path(data_dir) / corpus.folder):
        if all((folder / name).is_file() for name in wanted.values()):
            return {role: folder / name for role, name in wanted.items()}
    raise DataError(
        f"expected the files of {corpus.name} ({listed}) in {data_dir} or {Path(data_dir) / corpus.folder}, "
        f"but not all are there; get them from {corpus.origin}"
    )


def _compare_checksum(corpus: Corpus, path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != corpus.sha256[path.name]:
        logger.warning("%s is not the copy of %s that this was checked with: its SHA-256 differs", path, corpus.name)


def _check_count(corpus: Corpus, what: str, expected: int, found: int) -> None:
    if found != expected:
        raise DataError(
            f"expected {expected:,} texts in {what} of {corpus.name}, found {found:,}; "
            f"get its files from {corpus.origin}"
        )


def _load_sample(corpus: Corpus, paths: Mapping[str, Path], options: Options) -> Tables:
    with resources.as_file(resources.files("textcnn.data") / "sample.csv") as path:
        table = read_table(path)
        labels = encode_labels(table["label"], corpus.classes, path=path, known_from="its description")
    table = table.set_column(table.schema.get_field_index("label"), "label", labels)
    columns = ["text", "label", "topic", "kind"]
    return {
        split: table.filter(pc.equal(table["split"], split)).select(columns).combine_chunks()
        for split in ("train", "test")
    }


def _load_mr(corpus: Corpus, paths: Mapping[str, Path], options: Options) -> Tables:
    parts = []
    for name in corpus.classes:
        lines = read_table(paths[name], encoding="latin-1", file_format="text")["text"]
        _check_count(corpus, paths[name].name, _MR_SIDE, len(lines))
        parts.append(pc.utf8_trim(lines, " "))
    text = pa.chunked_array([chunk for part in parts for chunk in part.chunks])
    labels = np.repeat(np.arange(2), _MR_SIDE)
    rest, test = stratified_split(labels, 0.1, _MR_SEED)
    train, validation = stratified_split(labels[rest], 1 / 9, _MR_SEED)
    table = pa.table({"text": text, "label": labels})
    rows = {"train": rest[train], "validation": rest[validation], "test": test}
    return {split: table.take(pa.array(chosen)).combine_chunks() for split, chosen in rows.items()}


def _load_sst(corpus: Corpus, paths: Mapping[str, Path], options: Options) -> Tables:
    binary = len(corpus.classes) == 2
    return {
        split: _read_trees(path, binary=binary, phrases=options.phrases and split == "train")
        for split, path in paths.items()
    }


def _read_trees(path: Path, *, binary: bool, phrases: bool) -> pa.Table:
    """Read a file of trees; with phrases every distinct constituent once, at its first sentence."""
    texts: list[str] = []
    labels: list[int] = []
    sentences: list[int] = []
    seen: set[tuple[str, int]] = set()
    for number, line in enumerate(read_table(path, file_format="text")["text"].to_pylist()):
        try:
            constituents = parse_tree(line)
        except ValueError as error:
            raise DataError(
                f"expected a tree such as (3 (2 good) (2 film)) in line {number + 1} of {path}, but {error}"
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


def _load_trec(corpus: Corpus, paths: Mapping[str, Path], options: Options) -> Tables:
    return {split: _read_questions(path, corpus.classes) for split, path in paths.items()}


def _read_questions(path: Path, classes: tuple[str, ...]) -> pa.Table:
    lines = read_table(path, encoding="latin-1", file_format="text")["text"]
    parts = pc.extract_regex(lines, _TREC_LINE)
    if parts.null_count:
        wrong = pc.indices_nonzero(parts.is_null())[0].as_py()
        raise DataError(
            f"expected 'COARSE:fine question' in each line of {path}, "
            f"found {lines[wrong].as_py()[:40]!r} in line {wrong + 1}"
        )
    labels = encode_labels(pc.struct_field(parts, "label"), classes, path=path, known_from="its description")
    return pa.table({"text": pc.struct_field(parts, "text"), "label": labels})


def _load_imdb(corpus: Corpus, paths: Mapping[str, Path], options: Options) -> Tables:
    return {split: _read_reviews(path, labelled=split != "unsupervised") for split, path in paths.items()}


def _read_reviews(path: Path, *, labelled: bool) -> pa.Table:
    table = read_table(path)
    pick_columns(table.column_names, "text", "label", path=path)
    texts = pa.chunked_array([texts_of(chunk, path=path) for chunk in table["text"].chunks])
    if labelled:
        labels = encode_labels(table["label"], ["0", "1"], path=path, known_from="its description")
    else:
        labels = pa.array(np.full(len(texts), -1))
    return pa.table({"text": pc.replace_substring(texts, "<br />", " "), "label": labels})


_SST_FILES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}
_SST_SHA256 = {
    "train.txt": "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7",
    "dev.txt": "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40",
    "test.txt": "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761",
}
_SST_ORIGIN = "Socher et al. 2013, https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip"
_SST_TERMS = "none stated; cite the paper"
# A phrase has one label wherever it stands (318,582 constituents, 159,274 distinct, none with two labels), so
# copies tell nothing new, and would only weigh "the" and "." by the thousand.
_SST_PHRASES = (
    "Training texts are the sentences and all their labelled phrases, each distinct one once; "
    "the column sentence tells where it first stands. Scored on whole sentences."
)

_TABLE = (
    Corpus(
        name="sample",
        title="Sample of opinion sentences",
        origin="written for this project; comes with it",
        terms="CC0 1.0",
        protocol="fixed test; columns topic and kind tell what a sentence is about and how it speaks",
        classes=("negative", "positive"),
        counts={"train": 1000, "test": 200},
        loader=_load_sample,
    ),
    Corpus(
        name="mr",
        title="Movie review sentences, polarity dataset 1.0",
        origin="Pang & Lee 2005, https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        terms="none stated; cite the paper",
        protocol=(
            "10-fold cross-validation in the papers; here also one fixed split of 80/10/10, stratified, "
            f"the rows by numpy's PCG64({_MR_SEED})"
        ),
        classes=("negative", "positive"),
        counts={"train": 8530, "validation": 1066, "test": 1066},
        loader=_load_mr,
        files={"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"},
        folder="mr",
        sha256={
            "rt-polarity.neg": "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
            "rt-polarity.pos": "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
        },
    ),
    Corpus(
        name="sst1",
        title="Stanford Sentiment Treebank, five classes",
        origin=_SST_ORIGIN,
        terms=_SST_TERMS,
        protocol=f"Fixed validation and test. {_SST_PHRASES}",
        classes=("very negative", "negative", "neutral", "positive", "very positive"),
        counts={"train": 8544, "validation": 1101, "test": 2210},
        loader=_load_sst,
        files=_SST_FILES,
        folder="sst",
        phrases=159_274,
        sha256=_SST_SHA256,
    ),
    Corpus(
        name="sst2",
        title="Stanford Sentiment Treebank, two classes",
        origin=_SST_ORIGIN,
        terms=_SST_TERMS,
        protocol=f"Fixed validation and test; neutral sentences and phrases are left out. {_SST_PHRASES}",
        classes=("negative", "positive"),
        counts={"train": 6920, "validation": 872, "test": 1821},
        loader=_load_sst,
        files=_SST_FILES,
        folder="sst",
        phrases=77_616,
        sha256=_SST_SHA256,
    ),
    Corpus(
        name="trec",
        title="TREC question types, coarse",
        origin="Li & Roth 2002, https://cogcomp.seas.upenn.edu/Data/QA/QC/",
        terms="none stated; cite the paper",
        protocol="fixed test; validation is taken from train by seed",
        classes=("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"),
        counts={"train": 5452, "test": 500},
        loader=_load_trec,
        files={"train": "train_5500.label", "test": "TREC_10.label"},
        folder="trec",
        sha256={
            "train_5500.label": "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
            "TREC_10.label": "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
        },
    ),
    Corpus(
        name="imdb",
        title="Large movie reviews",
        origin="Maas et al. 2011, https://ai.stanford.edu/~amaas/data/sentiment/, as Parquet",
        terms="none stated; cite the paper",
        protocol="fixed test; validation is taken from train by seed; <br /> becomes a space",
        classes=("negative", "positive"),
        counts={"train": 25_000, "test": 25_000, "unsupervised": 50_000},
        loader=_load_imdb,
        files={"train": "train.parquet", "test": "test.parquet", "unsupervised": "unsupervised.parquet"},
        folder="imdb",
        sha256={
            "train.parquet": "bf6d34818a3ebfbaff413f273d1761a30b488e7f4761ba990b191ea69f3caf10",
            "test.parquet": "20bfe5be90858c5dcf3f86149219e8a89df3ba130aa195cd1b6667c4be0551f2",
            "unsupervised.parquet": "eac170e04059b60762ea30be0e099a0dbb0890492c1eeeff76cd4cf73d69fe45",
        },
    ),
)

CORPORA: dict[str, Corpus] = {corpus.name: corpus for corpus in _TABLE}
