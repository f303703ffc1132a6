"""What the project says of a named corpus: the form of the table in `textcnn.data._corpora`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

Tables = dict[str, pa.Table]
"""By split: columns ``text`` (string) and ``label`` (int64, a place in the classes), and others where stated."""


class Options(NamedTuple):
    """What a caller may choose of a corpus: see `textcnn.data.load_corpus`."""

    phrases: bool
    unsupervised: bool


@dataclass(frozen=True)
class HubCopy:
    """A copy of a corpus on the Hugging Face hub.

    No copy has been compared with the authors' files: what is said here is what the hub's pages and public code
    that reads the copy say, and the counts are checked when it is read.

    Attributes:
        repository: ``user/name``.
        revision: the commit that is read, or a branch where ``differs`` says so.
        labels: its labels in the order of the corpus's classes, as names or as ids written out.
        counts: texts in each split.
        differs: how it differs from the corpus's protocol; empty where it is not known to.
        config: its configuration, where it has several.
        text_column: its column of texts.
        label_column: its column of labels.
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
        folds: of the papers' cross-validation; 0 where the test is fixed.
        phrases: texts of the training split with phrases; 0 where there are none.
        markup: what stands for a space in the texts, and becomes one.
        sha256: of the files, by name; empty where the project has not seen them.
        hub: a copy on the Hugging Face hub.
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
    folds: int = 0
    phrases: int = 0
    markup: str = ""
    sha256: Mapping[str, str] = field(default_factory=dict)
    hub: HubCopy | None = None
