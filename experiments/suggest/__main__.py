"""What are the labels worth that `textcnn suggest` asks for?

    python -m experiments.suggest --data-dir DATA

DATA holds the original files of MR and TREC. The first 50 labels go to texts drawn at random by the seed. Then a
classifier with the defaults is trained on the labelled texts and suggests as many others of the training texts, so that
their number doubles, up to 800. Beside it, texts are drawn at random all along. Each classifier is scored on TREC's
test texts, or MR's validation and test texts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments import shared
from textcnn import Model, TextCNNClassifier, load_corpus
from textcnn.data.labelled import Labelled, concatenate
from textcnn.selection import suggest

HERE = Path(__file__).parent
CORPORA = ("mr", "trec")
METHODS = ("suggest", "random")
SIZES = (50, 100, 200, 400, 800)


def main() -> None:
    """Run what is not in the results yet, print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="[0 1 2]")
    parser.add_argument("--most", type=int, default=SIZES[-1], metavar="N", help="stop at N labels, for a trial [800]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        for corpus in CORPORA:
            splits = load_corpus(corpus, data_dir=arguments.data_dir)
            parts = {split: Labelled.from_dataset(texts) for split, texts in splits.items()}
            training = parts.pop("train")
            for seed in arguments.seeds:
                for method in METHODS:
                    cell = results.setdefault("accuracy", {}).setdefault(corpus, {}).setdefault(method, {})
                    if str(seed) not in cell:
                        sizes = [size for size in SIZES if size <= arguments.most]
                        cell[str(seed)] = curve(training, concatenate([*parts.values()]), method, seed, sizes)
                        results["machine"] = shared.machine()
                        shared.write_json(path, results)
                        print(corpus, method, seed, cell[str(seed)], flush=True)
    print(markdown(results))


def curve(training: Labelled, test: Labelled, method: str, seed: int, sizes: list[int]) -> dict[str, float]:
    """Return the accuracy by number of labels."""
    texts, test_texts = training.texts.to_pylist(), test.texts.to_pylist()

    def trained(rows: np.ndarray) -> Model:
        classifier = TextCNNClassifier(random_state=seed, device="cpu")
        return classifier.fit([texts[row] for row in rows], training.labels[rows]).model_

    order = np.random.default_rng([seed, 7]).permutation(len(training))
    labelled = order[: sizes[0]]
    model = trained(labelled)
    out = {}
    for size in sizes:
        wanted = size - len(labelled)
        if wanted:
            chosen = order[len(labelled) : size]
            if method == "suggest":
                others = np.setdiff1d(order, labelled)
                chosen = others[suggest(model, [[texts[row] for row in others]], wanted, seed=seed).rows - 1]
            labelled = np.concatenate([labelled, chosen])
            model = trained(labelled)
        out[str(size)] = float((model.predict(test_texts) == test.labels).mean())
    return out


def markdown(results: dict[str, Any]) -> str:
    """Return the table of all corpora."""
    rows = [
        [shared.NAMES[corpus], method, *(spread_at(cells[method], size) for size in SIZES)]
        for corpus, cells in results["accuracy"].items()
        for method in METHODS
        if cells.get(method)
    ]
    header = ["", "texts", *(f"{size} labels" for size in SIZES)]
    return f"{shared.table(header, rows)}\n\n{shared.machine_line(results.get('machine'))}"


def spread_at(runs: dict[str, dict[str, float]], size: int) -> str:
    """Return the accuracy at a number of labels over the seeds that have it."""
    found = [run[str(size)] for run in runs.values() if str(size) in run]
    return shared.spread(found) if found else ""


if __name__ == "__main__":
    main()
