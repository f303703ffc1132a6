"""The sentences of IMDB's training reviews, each with its review's label, for a model of single sentences.

    python -m experiments.recipe.sentences --data-dir DATA -o sentences.csv

A sentence ends with a full stop, an exclamation mark or a question mark before a space; it has 3 to 60 words. Most
sentences of a review say nothing of its label, and some the opposite, but there are ten per review, and they are like
those of MR and SST.
"""

from __future__ import annotations

import argparse
import csv
import re
from pathlib import Path

import textcnn

ENDS = re.compile(r"(?<=[.!?])\s+")
SHORTEST, LONGEST = 3, 60


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser("python -m experiments.recipe.sentences", description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", required=True, help="folder of IMDB's original files")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="CSV file to write")
    arguments = parser.parse_args()
    train = textcnn.load_corpus("imdb", data_dir=arguments.data_dir)["train"]
    name = train.features["label"].int2str
    with arguments.output.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for text, label in zip(train["text"], train["label"], strict=True):
            for sentence in ENDS.split(text.replace("<br />", " ")):
                if SHORTEST <= len(sentence.split()) <= LONGEST:
                    writer.writerow([sentence.strip(), name(label)])


if __name__ == "__main__":
    main()
