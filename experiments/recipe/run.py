r"""The recipe on the papers' corpora: without outside text, with vectors of IMDB's reviews, from a model of its labels.

    textcnn vectors imdb --unsupervised --data-dir DATA --architecture skip-gram -o vectors.bin
    python -m experiments.recipe.sentences --data-dir DATA -o sentences.csv
    textcnn train sentences.csv --vectors vectors.bin --learning-rate 0.0003 --epochs 4 --patience 2 -o sentences-model
    python -m experiments.recipe.run --data-dir DATA --vectors vectors.bin --model sentences-model

DATA holds the original files of the corpora (`textcnn data NAME` names them). MR by the same ten folds as the papers'
table, with paired differences to the linear yardstick; the others by three seeds on their fixed tests. Without outside
text the settings are the defaults but for the `OPTIONS` below. IMDB's own unlabelled reviews count as outside text; SST
is trained with its phrases.
"""

from __future__ import annotations

from pathlib import Path

from experiments.reproduction import YARDSTICK, Cell, Table, main

NOTHING, VECTORS, LABELS = "no outside text", "IMDB vectors", "IMDB labels"
# Without outside text: what differs from the defaults.
OPTIONS = {
    "trec": ("--keep-case",),
    "imdb": ("--ngrams", "3", "--min-count", "5"),
    "sst2": ("--learning-rate", "0.0003"),
    "sst1": ("--learning-rate", "0.0003"),
}
STEPS = {"mr": "0.0003", "sst2": "0.0001", "sst1": "0.0001"}  # sentences of reviews of films, as the model's


def cells() -> list[Cell]:
    """All kinds on every corpus, and the linear yardstick."""
    out = []
    for corpus in ("sample", "mr", "trec", "imdb", "sst2", "sst1"):
        out += [Cell(corpus, YARDSTICK), Cell(corpus, NOTHING, OPTIONS.get(corpus, ()))]
        if corpus != "sample":
            out.append(Cell(corpus, VECTORS, ("--preset", "best"), "vectors"))
        if corpus in STEPS:
            out.append(Cell(corpus, LABELS, ("--learning-rate", STEPS[corpus]), "vectors", "model"))
    return out


if __name__ == "__main__":
    table = Table(
        title="The recipe",
        folder=Path(__file__).parent,
        cells=cells(),
        published={},
        averages=True,
        files={
            "vectors": "word vectors of IMDB's reviews",
            "model": "model of the sentences of IMDB's labelled reviews",
        },
    )
    main(table, __doc__ or "")
