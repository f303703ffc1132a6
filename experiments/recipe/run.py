"""The defaults on the papers' corpora: without any outside text, and with word vectors of IMDB's reviews.

    textcnn vectors imdb --unsupervised --data-dir DATA --architecture skip-gram -o vectors.bin
    python -m experiments.recipe.run --data-dir DATA --vectors vectors.bin

DATA holds the original files of the corpora (`textcnn data NAME` names them). MR by the same ten folds as the papers'
table, with paired differences to the linear yardstick; the others by three seeds on their fixed tests. IMDB is cut at
400 words, and its own unlabelled reviews count as outside text; SST is trained with its phrases; TREC keeps its
capitals.
"""

from __future__ import annotations

from pathlib import Path

from experiments.reproduction import YARDSTICK, Cell, Table, main

VARIANTS = ("no outside text", "IMDB vectors")
STEP = "--learning-rate"  # 80,000 phrases and more ask for a smaller one: chosen on SST-2's development sentences
OPTIONS = {
    "trec": dict.fromkeys(VARIANTS, ("--keep-case",)),
    "imdb": dict.fromkeys(VARIANTS, ("--max-length", "400", "--min-count", "5")),
    **{key: {"no outside text": (STEP, "0.0003"), "IMDB vectors": (STEP, "0.0001")} for key in ("sst2", "sst1")},
}


def cells() -> list[Cell]:
    """Both kinds on every corpus, and the linear yardstick."""
    out = []
    for corpus in ("sample", "mr", "trec", "imdb", "sst2", "sst1"):
        out.append(Cell(corpus, YARDSTICK))
        for variant in VARIANTS:
            options = OPTIONS.get(corpus, {}).get(variant, ())
            if corpus != "sample" or variant == "no outside text":
                out.append(Cell(corpus, variant, options, None if variant == "no outside text" else "vectors"))
    return out


if __name__ == "__main__":
    table = Table(
        title="The defaults",
        folder=Path(__file__).parent,
        cells=cells(),
        published={},
        vectors={"vectors": "word vectors of IMDB's reviews"},
    )
    main(table, __doc__ or "")
