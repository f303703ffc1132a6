r"""Tables 1 and 3 of Kalchbrenner et al. (2014): the DCNN on SST-2, SST-1 and TREC.

    textcnn vectors imdb --unsupervised --data-dir DATA --tokenizer whitespace --dimension 32 \
        --architecture skip-gram -o imdb-32.bin
    python -m experiments.kalchbrenner2014 --data-dir DATA --vectors imdb-32.bin

DATA holds the original files of the corpora (`textcnn data` lists them). The paper initialises TREC's word vectors by
an unsupervised model of its own; here they are word2vec's, of IMDB's reviews. It does not state its L2 weights and
learning rate; those of the preset were chosen on SST-2's development sentences.
"""

from __future__ import annotations

from pathlib import Path

from experiments.reproduction import Cell, Table, main
from experiments.shared import BASELINE

PUBLISHED = {
    "Max-TDNN": {"sst1": 37.4, "sst2": 77.1, "trec": 84.4},
    "NBoW": {"sst1": 42.4, "sst2": 80.5, "trec": 88.2},
    "DCNN": {"sst1": 48.5, "sst2": 86.8, "trec": 93.0},
}


def cells() -> list[Cell]:
    """Return the DCNN on each corpus, and the linear baseline."""
    out = []
    for corpus in ("trec", "sst2", "sst1"):
        out.append(Cell(corpus, BASELINE))
        out.append(Cell(corpus, "DCNN", ("--preset", "kalchbrenner2014"), "vectors" if corpus == "trec" else None))
    return out


TABLE = Table(
    name="kalchbrenner2014",
    title="Kalchbrenner et al. 2014",
    folder=Path(__file__).parent,
    cells=cells(),
    published=PUBLISHED,
    files={"vectors": "32-dimensional word vectors for TREC"},
)

if __name__ == "__main__":
    main(TABLE, __doc__ or "")
