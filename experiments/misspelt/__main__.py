"""Misspelt words: accuracy where 0, 5, 10 and 20% of the test texts' words have a letter wrong.

    pip install fasttext-wheel
    python -m experiments.misspelt --data-dir DATA

A word of four letters or more is misspelt by one edit: two neighbouring letters swapped, or a letter dropped, doubled
or replaced (`experiments.misspelt.noise`). Training and validation texts stay as they are. MR has its usual split, TREC
a tenth of its training texts for validation, stratified. The settings of fastText and of the linear model are those of
a few candidates with the best accuracy on the validation texts, without an error in them. There are three seeds, of the
method and of the errors; all methods have the first before any has the second.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import shared
from experiments.misspelt.noise import misspelt
from textcnn import TextCNNClassifier, load_corpus

HERE = Path(__file__).parent
CORPORA = ("mr", "trec")
SEEDS = (0, 1, 2)
SHARES = (0.0, 0.05, 0.1, 0.2)


class Texts(NamedTuple):
    """Texts with class ids."""

    texts: list[str]
    labels: np.ndarray


Predict = Callable[[Sequence[str]], np.ndarray]
Splits = dict[str, Texts]


def main() -> None:
    """Run what is not in the results yet, and print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results: dict[str, Any] = shared.read_json(path)
    if not arguments.show:
        data = {corpus: read(corpus, arguments.data_dir) for corpus in CORPORA}
        for seed in (None, *SEEDS):
            for method, (corpus, splits) in product(METHODS, data.items()):
                cell = results.setdefault(corpus, {}).setdefault(method, {"candidates": {}, "runs": {}})
                if choose(method, splits, cell) if seed is None else run(method, splits, cell, seed):
                    results["machine"] = shared.machine()
                    shared.write_json(path, results)
                    print(corpus, method, json.dumps(cell), flush=True)
    print(markdown(results))


def read(corpus: str, folder: str) -> Splits:
    """Return the splits of a corpus."""
    from sklearn.model_selection import train_test_split

    found = {
        split: Texts(list(table["text"]), np.array(table["label"]))
        for split, table in load_corpus(corpus, data_dir=folder).items()
    }
    if "validation" not in found:
        labels = found["train"].labels
        parts = train_test_split(np.arange(len(labels)), test_size=0.1, random_state=0, stratify=labels)
        for split, rows in zip(("validation", "train"), parts[::-1], strict=True):
            found[split] = Texts([found["train"].texts[i] for i in rows], labels[rows])
    return found


def choose(method: str, splits: Splits, cell: dict[str, Any]) -> bool:
    """Score the candidates that are not in the results on the validation texts, where there are several."""
    fit, candidates = METHODS[method]
    missing = [one for one in candidates if json.dumps(one) not in cell["candidates"]] if len(candidates) > 1 else []
    for settings in missing:
        cell["candidates"][json.dumps(settings)] = accuracy(fit(splits, 0, settings), splits["validation"], 0.0, 0)
    return bool(missing)


def chosen(method: str, cell: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a method."""
    candidates = METHODS[method][1]
    return candidates[0] if len(candidates) == 1 else json.loads(max(cell["candidates"], key=cell["candidates"].get))


def run(method: str, splits: Splits, cell: dict[str, Any], seed: int) -> bool:
    """Score a method with one seed on the test texts, unless that is in the results."""
    if str(seed) in cell["runs"]:
        return False
    predict = METHODS[method][0](splits, seed, chosen(method, cell))
    cell["runs"][str(seed)] = {
        "validation": accuracy(predict, splits["validation"], 0.0, 0),
        "test": {str(share): accuracy(predict, splits["test"], share, seed) for share in SHARES},
    }
    return True


def accuracy(predict: Predict, test: Texts, share: float, seed: int) -> float:
    """Return the share of texts with the right class, a share of whose words is misspelt."""
    return float((predict(misspelt(test.texts, share, seed)) == test.labels).mean())


def network(splits: Splits, seed: int, settings: dict[str, Any]) -> Predict:
    """Train a network of textcnn."""
    keywords = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    classifier = TextCNNClassifier(random_state=seed, **keywords)
    classifier.fit(*splits["train"], validation_data=splits["validation"])
    return classifier.predict


def fasttext(splits: Splits, seed: int, settings: dict[str, Any]) -> Predict:
    """Train fastText with the character n-grams of words, and bigrams; texts are split as textcnn splits them."""
    texts, labels = splits["train"]
    subwords: dict[str, Any] = {"minn": 3, "maxn": 5, "wordNgrams": 2, "bucket": 200_000}
    model = shared.train_fasttext([*map(_words, texts)], labels, order=seed, seed=seed, **subwords, **settings)

    def predict(texts: Sequence[str]) -> np.ndarray:
        found = [model.f.predict(f"{_words(text)}\n", 1, 0.0, "strict") for text in texts]
        return np.array([int(one[0][1].removeprefix("__label__")) for one in found])

    return predict


def _words(text: str) -> str:
    from textcnn.settings.config import TextConfig
    from textcnn.text.tokenizer import Tokenizer

    return " ".join(token.text for token in Tokenizer(TextConfig()).spans(text))


def linear(splits: Splits, seed: int, settings: dict[str, Any]) -> Predict:
    """Fit logistic regression on TF-IDF of the character n-grams within words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    model = make_pipeline(features, LogisticRegression(max_iter=2000, random_state=seed, **settings))
    return model.fit(*splits["train"]).predict


_CHARACTERS = {"tokenizer": "characters", "ngrams": 3, "dimension": 50}
METHODS: dict[str, tuple[Callable[[Splits, int, dict[str, Any]], Predict], list[dict[str, Any]]]] = {
    "Kim": (network, [{}]),
    "Kim, `--char-ngrams`": (network, [{"char_ngrams": [3, 5]}]),
    "characters": (
        network,
        [{"arch": "stacked", "region_sizes": [7, 3, 3], "feature_maps": [100, 100, 100], **_CHARACTERS}],
    ),
    "fastText, `minn` 3, `maxn` 5": (
        fasttext,
        [{"lr": rate, "epoch": epochs} for rate in (0.1, 0.5) for epochs in (5, 25)],
    ),
    "TF-IDF of characters + LR": (linear, [{"C": c} for c in (1.0, 3.0, 10.0, 30.0)]),
}


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    parts = []
    for corpus in CORPORA:
        rows = []
        for method in METHODS:
            cell = results.get(corpus, {}).get(method, {})
            runs = list(cell.get("runs", {}).values())
            if runs:
                settings = ", ".join(f"{name} {value}" for name, value in chosen(method, cell).items()) or "defaults"
                scores = [shared.spread([one["test"][str(share)] for one in runs]) for share in SHARES]
                rows.append([method, settings, shared.spread([one["validation"] for one in runs]), *scores])
        header = [
            shared.NAMES[corpus],
            "settings",
            "validation, %",
            *(f"test, {share:.0%} misspelt" for share in SHARES),
        ]
        parts.append(shared.table(header, rows))
    return "\n\n".join([*parts, shared.machine_line(results.get("machine"))])


if __name__ == "__main__":
    main()
