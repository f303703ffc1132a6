"""How the project describes a named corpus: the fields of the table in `textcnn.data._named_corpora`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

Tables = dict[str, pa.Table]
"""By split: columns `text` (string) and `label` (int64, an index into the classes), and others where stated."""


class CorpusOptions(NamedTuple):
    """Which texts of a corpus to read: see `textcnn.data.load_corpus`."""

    phrases: bool
    unsupervised: bool


@dataclass(frozen=True)
class HubCopy:
    """A copy of a corpus on the Hugging Face hub.

    No copy has been compared with the authors' files: this description follows the hub's pages and public code that
    reads the copy, and the counts are checked when it is read.

    Attributes:
        repository: `user/name`.
        revision: The commit to read, or a branch if `differs` says so.
        labels: Its labels in the order of the corpus's classes, as names or as ids in decimal.
        counts: Number of texts per split.
        differs: How it differs from the corpus's protocol; empty if it is not known to.
        config: Its configuration, if it has several.
        text_column: Its column of texts.
        label_column: Its column of labels.
    """

    repository: str
    revision: str
    labels: tuple[str, ...]
    counts: Mapping[str, int]
    differs: str = ""
    config: str | None = None
    text_column: str = "text"
    label_column: str = "label"


@dataclass(frozen=True)
class Corpus:
    """A named corpus.

    Attributes:
        name: Its name as a source.
        title: Its name in full.
        origin: Its authors and where its files are published.
        terms: Its licence, as far as the authors state one.
        protocol: How it is split and what is done to the text.
        classes: Class names in the order of their ids.
        counts: Number of texts per split.
        loader: The function that reads the files.
        files: File names by content.
        folder: The folder inside `data_dir` that may hold the files.
        folds: Number of folds of the papers' cross-validation; 0 if the test set is fixed.
        phrases: Number of training texts with phrases; 0 if there are none.
        markup: Markup in the texts that is replaced by a space.
        sha256: Checksums of the files by name; empty if the project has not seen them.
        hub: A copy on the Hugging Face hub.
    """

    name: str
    title: str
    origin: str
    terms: str
    protocol: str
    classes: tuple[str, ...]
    counts: Mapping[str, int]
    loader: Callable[[Corpus, Mapping[str, Path], CorpusOptions], Tables]
    files: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    folds: int = 0
    phrases: int = 0
    markup: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    hub: HubCopy | None = None
