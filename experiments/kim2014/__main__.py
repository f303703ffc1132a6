"""Table 2 of Kim (2014): four variants of the network.

    textcnn vectors imdb --unsupervised --data-dir DATA --tokenizer kim --architecture skip-gram -o imdb.bin
    python -m experiments.kim2014 --data-dir DATA --vectors imdb.bin

DATA holds the original files of the corpora (`textcnn data` lists them; `--corpora` runs some); any file of word
vectors will do, GoogleNews's as well. Deviations from the paper: word vectors are trained on IMDB's reviews, training
stops after five epochs without a better validation score (the paper's code runs 25), a phrase of SST is read once
however often it occurs, TREC is lower-cased where word vectors are, and windows of padding alone do not count.
"""

from __future__ import annotations

from pathlib import Path

from experiments.reproduction import Cell, Table, main
from experiments.shared import BASELINE

PUBLISHED = {
    "CNN-rand": {"mr": 76.1, "sst1": 45.0, "sst2": 82.7, "subj": 89.6, "trec": 91.2, "cr": 79.8, "mpqa": 83.4},
    "CNN-static": {"mr": 81.0, "sst1": 45.5, "sst2": 86.8, "subj": 93.0, "trec": 92.8, "cr": 84.7, "mpqa": 89.6},
    "CNN-non-static": {"mr": 81.5, "sst1": 48.0, "sst2": 87.2, "subj": 93.4, "trec": 93.6, "cr": 84.3, "mpqa": 89.5},
    "CNN-multichannel": {"mr": 81.1, "sst1": 47.4, "sst2": 88.1, "subj": 93.2, "trec": 92.2, "cr": 85.0, "mpqa": 89.4},
}
CORPORA = ("mr", "trec", "sst2", "sst1", "subj", "cr", "mpqa")


def cells() -> list[Cell]:
    """Return all variants on all corpora, and the linear baseline."""
    out = []
    for corpus in CORPORA:
        out.append(Cell(corpus, BASELINE))
        for variant in PUBLISHED:
            channels = variant.removeprefix("CNN-")
            options = ("--preset", "kim2014", "--patience", "5", "--channels", channels)
            if corpus == "trec" and channels != "rand":
                options += ("--lowercase",)  # the vectors' words are in lower case
            out.append(Cell(corpus, variant, options, None if channels == "rand" else "vectors"))
    return out


TABLE = Table(
    name="kim2014",
    title="Kim 2014",
    folder=Path(__file__).parent,
    cells=cells(),
    published=PUBLISHED,
    files={"vectors": "word vectors of the variants that take them"},
)

if __name__ == "__main__":
    main(TABLE, __doc__ or "")
