"""Does `textcnn audit` find wrong labels, and what is that worth?

    python -m experiments.audit --data-dir DATA

DATA holds MR's original files. A share of the labels of its training texts is flipped at random, and the texts are
audited with the defaults. A flipped label counts as found if it is among the findings of the kind `label`; MR has
wrong labels of its own, so not every other finding is an error. Then classifiers with the defaults are trained on the
texts with the flipped labels, without the findings, without as many findings as labels were flipped, with the suggested
labels in their place, and on the clean labels. They are scored on the validation and test texts, which nothing else
saw.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments import shared
from textcnn import TextCNNClassifier, load_corpus
from textcnn.audit.auditing import audit
from textcnn.data.labelled import Labelled, concatenate, label_names
from textcnn.settings.options import make_settings

HERE = Path(__file__).parent
FLIPPED = 0.05  # of the labels
ROWS = {
    "noisy": "all texts, flipped labels",
    "dropped": "without the findings",
    "dropped few": "without as many findings as flips",
    "relabelled": "with the suggested labels",
    "clean": "all texts, clean labels",
}


def main() -> None:
    """Run the seeds that are not in the results yet, print the tables."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of MR's original files")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="N", help="[0]")
    parser.add_argument("--texts", type=int, metavar="N", help="use the first N training texts, for a trial [all]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        corpus = load_corpus("mr", data_dir=arguments.data_dir)
        parts = {split: Labelled.from_dataset(texts) for split, texts in corpus.items()}
        training = parts.pop("train")
        training = training.take(np.arange(len(training))[: arguments.texts])
        for seed in arguments.seeds:
            if str(seed) not in results.get("runs", {}):
                run = measure(training, concatenate([*parts.values()]), label_names(corpus), seed)
                results.setdefault("runs", {})[str(seed)] = run
                results["machine"] = shared.machine()
                shared.write_json(path, results)
    print(markdown(results))


def measure(training: Labelled, held_out: Labelled, names: list[str], seed: int) -> dict[str, Any]:
    """Return what is found of the flipped labels, and the accuracy with and without it."""
    flipped = np.random.default_rng([seed, 7]).permutation(len(training))[: round(FLIPPED * len(training))]
    labels = training.labels.copy()
    labels[flipped] = 1 - labels[flipped]
    found = audit({"train": Labelled(training.texts, labels)}, names, make_settings({"random_state": seed}))
    order = np.array([one.row - 1 for one in found.by_kind()["label"]], np.int64)
    hits = np.isin(order, flipped)
    few = order[: len(flipped)]
    suggested = labels.copy()
    suggested[order] = 1 - suggested[order]
    everything = np.arange(len(training))
    left, most = np.setdiff1d(everything, order), np.setdiff1d(everything, few)
    trained = {
        "noisy": (everything, labels),
        "dropped": (left, labels),
        "dropped few": (most, labels),
        "relabelled": (everything, suggested),
        "clean": (everything, training.labels),
    }
    texts, test = training.texts.to_pylist(), held_out.texts.to_pylist()
    accuracy = {}
    for name, (rows, own) in trained.items():
        model = TextCNNClassifier(random_state=seed, device="cpu").fit([texts[row] for row in rows], own[rows])
        accuracy[name] = float((model.predict(test) == held_out.labels).mean())
    return {
        "texts": len(training),
        "flipped": len(flipped),
        "findings": len(order),
        "precision": float(hits.mean()),
        "recall": float(hits.sum() / len(flipped)),
        "precision of as many as flips": float(hits[: len(flipped)].mean()),
        "accuracy out of fold": found.accuracy,
        "held-out texts": len(held_out),
        "accuracy": accuracy,
    }


def markdown(results: dict[str, Any]) -> str:
    """Return the tables of what is found and what it is worth."""
    runs = [*results["runs"].values()]

    def column(name: str) -> list[float]:
        return [run[name] for run in runs]

    found = shared.table(
        ["", "share"],
        [
            ["labels flipped", shared.spread([run["flipped"] / run["texts"] for run in runs])],
            ["labels found", shared.spread([run["findings"] / run["texts"] for run in runs])],
            ["of the flips, found", shared.spread(column("recall"))],
            ["of the findings, flips", shared.spread(column("precision"))],
            ["of as many findings as flips, flips", shared.spread(column("precision of as many as flips"))],
        ],
    )
    worth = shared.table(
        ["trained on", "accuracy"],
        [[title, shared.spread([run["accuracy"][name] for run in runs])] for name, title in ROWS.items()],
    )
    return f"{found}\n\n{worth}\n\n{shared.machine_line(results.get('machine'))}"


if __name__ == "__main__":
    main()
