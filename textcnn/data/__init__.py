"""Labelled text from named corpora, local files and folders, and the Hugging Face hub, as tables or a `DatasetDict`.

Modules:
    labelled: Labelled texts in memory (`Labelled`), as training takes them, and by split (`LabelledTables`).
    soft_labels: Texts with the probability of each class.
    unlabelled: Texts without labels.
    splits: Stratified splits and folds by seed.
    repeats: Equal texts, and the groups that keep them on one side of a split.
    checks: What makes the scores of labelled texts doubtful.
    local_files: One local file of any supported format as Arrow record batches.
    table_columns: Which columns of a table hold texts and labels.
    decoding: Bytes of a text file as blocks of UTF-8.
    lines: Bytes as a column of lines.
    _load_corpus: `load_corpus`, from a source's name to its dataset.
    _load_tables: `load_tables`, which does the same without `datasets`.
    _corpus, _named_corpora, _corpus_readers: Named corpora: their description, their table, their files.
    _batch_source, _folders, _hub: Where rows come from: files, folders, the hub.
    _csv, _jsonlines, _fasttext_lines, _rows, _trees: Parsers of the text formats.
    _dialect: How a CSV is written: delimiter, comments, blanks.
    _guessed_encoding: The encoding that advice suggests.
    _labels: Columns of labels as class names and ids.
"""

from textcnn.data._load_corpus import load_corpus
from textcnn.data._load_tables import check_source, corpus_names, describe, load_tables

__all__ = ["check_source", "corpus_names", "describe", "load_corpus", "load_tables"]
