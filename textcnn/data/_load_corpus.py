"""`load_corpus`: labelled texts of any source as a `DatasetDict`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textcnn.data._load_tables import load_tables
from textcnn.data.labelled import LabelledTables, is_list
from textcnn.data.table_columns import TextColumn

if TYPE_CHECKING:
    import datasets


def load_corpus(
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
        label_column: The files' column of labels; if None, a usual name is looked for. A text has several labels where
            the column holds lists, or a text of fastText's format several `__label__`.
        label_columns: Columns of 0 and 1, one for each label of a text that has several: a list, or names between
            commas.
        label_separator: What stands between several labels in one column, such as `;`. A text without labels has an
            empty field.
        weight_column: A column of numbers from 0 on, the weights of the training texts.
        least_texts: Training texts that a label needs; texts of rarer ones are left out, of every split.
        merge_rare: The label that such texts are given instead.
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
        several: Whether texts have any number of labels, as those of a model to evaluate; None if the source decides.
        phrases: Whether the training texts of `sst1` and `sst2` include phrases.
        unsupervised: Whether to add the unlabelled split of `imdb`, with label -1.
        row_numbers: Whether to add the column `row`, the number of each text in its split, from 1: rows that are left
            out count, and of several files the later ones go on.

    Returns:
        Those of the splits `train`, `validation` and `test` that exist, with the columns `text` and `label`
        (`ClassLabel`, with the names that the source declares or else the sorted labels; a list of such where texts
        have several), and `weight` where a column of weights is named. `sample` also has `topic`
        and `kind`, and the training split of `sst1` and `sst2` with phrases has `sentence`, the number of the first
        sentence that contains the phrase.

        A split of the source's own without any labels is left out, with a warning, unless classes are known: all
        labels are missing or -1, or there is no label column.

        What makes scores doubtful is logged as warnings (`textcnn.data.checks.doubts`), unless classes are known.

    Raises:
        ConfigError: An option does not apply to the source.
        DataError: The source does not exist or is not valid.
    """
    return _to_datasets(load_tables(**locals()))


def _to_datasets(loaded: LabelledTables) -> datasets.DatasetDict:
    import datasets

    label = datasets.ClassLabel(names=loaded.classes)
    splits = {}
    for split, table in loaded.tables.items():
        features = datasets.Features.from_arrow_schema(table.schema)
        features["label"] = datasets.Sequence(label) if is_list(table.schema.field("label").type) else label
        splits[split] = datasets.Dataset(
            table,
            info=datasets.DatasetInfo(features=features),
            split=datasets.NamedSplit(split),
            fingerprint=secrets.token_hex(8),  # else `datasets` hashes all texts for a cache that is not used
        )
    return datasets.DatasetDict(splits)
