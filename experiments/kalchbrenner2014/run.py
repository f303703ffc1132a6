r"""Table 1 and 3 of Kalchbrenner et al. (2014): the DCNN on SST-2, SST-1 and TREC.

    textcnn vectors imdb --unsupervised --data-dir DATA --tokenizer whitespace --dimension 32 \
        --architecture skip-gram -o imdb-32.bin
    python -m experiments.kalchbrenner2014.run --data-dir DATA --vectors imdb-32.bin

DATA holds the original files of the corpora (`textcnn data NAME` names them). The paper initialises TREC's word
vectors by an unsupervised model of its own; here they are word2vec's, of IMDB's reviews. Its L2 weights and step size
are not stated; those of the preset were chosen on SST-2's development sentences.
"""

from __future__ import annotations

from pathlib import Path

from experiments.reproduction import YARDSTICK, Cell, Table, main

PUBLISHED = {
    "Max-TDNN": {"sst1": 37.4, "sst2": 77.1, "trec": 84.4},
    "NBoW": {"sst1": 42.4, "sst2": 80.5, "trec": 88.2},
    "DCNN": {"sst1": 48.5, "sst2": 86.8, "trec": 93.0},
}


def cells() -> list[Cell]:
    """The DCNN on each corpus, and the linear yardstick."""
    options = ("--preset", "kalchbrenner2014")
    out = []
    for corpus in ("trec", "sst2", "sst1"):
        out.append(Cell(corpus, YARDSTICK))
        out.append(Cell(corpus, "DCNN", options, "vectors" if corpus == "trec" else None))
    return out


if __name__ == "__main__":
    table = Table(
        title="Kalchbrenner et al. 2014",
        folder=Path(__file__).parent,
        cells=cells(),
        published=PUBLISHED,
        files={"vectors": "32-dimensional word vectors for TREC"},
    )
    main(table, __doc__ or "")
