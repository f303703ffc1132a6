"""The tasks of the experiment: corpora as folders of train.csv, validation.csv and test.csv, and text without labels.

    python -m experiments.distillation.tasks --data-dir DATA --work work

`mr` is MR's usual split; `mr-1` to `mr-3` are the first three of the ten folds of `textcnn train mr --cv 10`, each with
a tenth of its training part as validation texts. SST's training texts include phrases; TREC's validation texts are a
tenth of its training texts, IMDB's an eighth of them. The text without labels is the sentences of IMDB's 75,000
training and unlabelled reviews, in random order, each once. `imdb-parts` are runs of three sentences of IMDB's
labelled training reviews with the review's label, for a teacher to begin with. `imdb` has its 50,000 unlabelled
reviews beside it. MR and SST share sentences, and are
never used together.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import textcnn
from experiments import shared
from textcnn.data.labelled import Labelled
from textcnn.data.repeats import groups_for_split
from textcnn.data.splits import stratified_folds, stratified_split
from textcnn.run import texts_for_folds

FOLDS = ("mr-1", "mr-2", "mr-3")
TASKS = ("mr", *FOLDS, "sst2", "sst1", "trec", "imdb")
SENTENCES = "sentences.csv"  # without labels
REVIEWS = "unlabelled.csv"  # in the folder of IMDB
PARTS = "imdb-parts"
RUN = 3  # sentences
ENDS = re.compile(r"(?<=[.!?])\s+")
SHORTEST, LONGEST = 4, 50  # words of a sentence
Rows = Sequence[tuple[str, str]]


def splits_of(task: str, data_dir: str) -> dict[str, Rows]:
    """Return the texts of a task with their labels' names, by split."""
    corpus = textcnn.load_corpus(task.partition("-")[0], data_dir=data_dir)
    names = corpus["train"].features["label"].names
    parts = {split: Labelled.from_dataset(corpus[split]) for split in corpus}
    if task in FOLDS:
        whole, _ = texts_for_folds(parts, "mr")
        test = stratified_folds(whole.labels, 10, 0, groups=groups_for_split(whole, 10))[FOLDS.index(task)]
        parts = {"train": whole.take(np.setdiff1d(np.arange(len(whole)), test)), "test": whole.take(test)}
    if "validation" not in parts:
        training = parts["train"]
        share = 0.125 if task == "imdb" else 0.1
        left, chosen = stratified_split(training.labels, share, 0, groups_for_split(training, 2))
        parts |= {"train": training.take(left), "validation": training.take(chosen)}
    return {
        split: [
            (text, names[label])
            for text, label in zip(part.texts.to_pylist(), part.labels.tolist(), strict=True)
        ]
        for split, part in parts.items()
    }  # fmt: skip


def parts_of_reviews(folder: Path) -> None:
    """Write the runs of sentences of the task `imdb`, in random order."""
    for split in ("train", "validation"):
        with (folder / "imdb" / f"{split}.csv").open(newline="", encoding="utf-8") as file:
            reviews = list(csv.DictReader(file))
        found = []
        for review in reviews:
            own = ENDS.split(review["text"].replace("<br />", " "))
            found += [(" ".join(own[i : i + RUN]), review["label"]) for i in range(0, len(own), RUN)]
        order = np.random.default_rng(0).permutation(len(found))
        chosen = order if split == "train" else order[:2000]
        write_csv(folder / PARTS / f"{split}.csv", ("text", "label"), (found[i] for i in chosen))


def sentences(data_dir: str) -> list[str]:
    """Return the distinct sentences of IMDB's training and unlabelled reviews, in an order drawn with seed 0."""
    corpus = textcnn.load_corpus("imdb", data_dir=data_dir, unsupervised=True)
    found: dict[str, None] = {}
    for split in ("train", "unsupervised"):
        for text in corpus[split]["text"]:
            for sentence in ENDS.split(text.replace("<br />", " ")):
                if SHORTEST <= len(sentence.split()) <= LONGEST:
                    found[" ".join(sentence.split())] = None
    everything = list(found)
    return [everything[i] for i in np.random.default_rng(0).permutation(len(everything))]


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return the texts and labels of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    """Write the files that are missing."""
    parser = shared.make_parser(__doc__ or "", Path(__file__).parent)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    arguments = shared.parse(parser, "data-dir")
    for task in TASKS:
        if not (arguments.work / task / "test.csv").exists():
            for split, rows in splits_of(task, arguments.data_dir).items():
                write_csv(arguments.work / task / f"{split}.csv", ("text", "label"), rows)
    if not (arguments.work / PARTS / "validation.csv").exists():
        parts_of_reviews(arguments.work)
    if not (arguments.work / "imdb" / REVIEWS).exists():
        corpus = textcnn.load_corpus("imdb", data_dir=arguments.data_dir, unsupervised=True)
        write_csv(arguments.work / "imdb" / REVIEWS, ("text",), ((text,) for text in corpus["unsupervised"]["text"]))
    if not (arguments.work / SENTENCES).exists():
        write_csv(arguments.work / SENTENCES, ("text",), ((text,) for text in sentences(arguments.data_dir)))


if __name__ == "__main__":
    main()
