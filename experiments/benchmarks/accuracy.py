"""Whether speed costs accuracy: textcnn and the usual convolution, trained alike with the same seeds.

    python -m experiments.benchmarks.accuracy --data-dir DATA

DATA holds the corpora's original files. All train Kim's CNN without word vectors with Adam, batches of 50, dropout,
max-norm and early stopping on the validation texts, and are scored on the test texts once: the usual
PyTorch network (dense convolution, dense optimiser), textcnn, and textcnn with words projected in bfloat16. MR is
one fixed split of 80/10/10, SST-2 trains on sentences. The initial weights are drawn alike, but not the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments import shared
from experiments.benchmarks.common import keep, rows_of
from experiments.benchmarks.usual import UsualKimCNN, padded_batches, predict, train_steps
from textcnn import TextCNNClassifier, load_corpus

# Internals: the usual network reads the ids that textcnn's reads.
from textcnn.settings.config import TextConfig
from textcnn.text.columns import as_column
from textcnn.text.encoding import encode_texts
from textcnn.text.tokenizer import Tokenizer
from textcnn.text.vocabulary import build_vocabulary

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
CORPORA = {"mr": {}, "sst2": {"tokenizer": "kim-sst"}}
BATCH, EPOCHS, PATIENCE = 50, 25, 5
SIDES = ("usual", "textcnn", "textcnn, bf16")


def main() -> None:
    """Train what is asked for, print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS, help="[0 1 2]")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"epochs at most [{EPOCHS}]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "accuracy.json"
    results: dict[str, dict[str, list[float]]] = {}
    for name, options in {} if arguments.show else CORPORA.items():
        corpus = load_corpus(name, data_dir=arguments.data_dir, phrases=False)
        parts = {split: (list(part["text"]), np.array(part["label"])) for split, part in corpus.items()}
        results[name] = {side: [] for side in SIDES}
        for seed in arguments.seeds:
            results[name]["usual"].append(usual(parts, options, seed, arguments.epochs))
            for side, precision in (("textcnn", "fp32"), ("textcnn, bf16", "bf16")):
                results[name][side].append(textcnn(parts, options, seed, arguments.epochs, precision))
            print(name, seed, {side: scores[-1] for side, scores in results[name].items()}, flush=True)
            keep(path, {"results": results})
    print(markdown(shared.read_json(path)))


def markdown(results: dict[str, Any]) -> str:
    """Return the table."""
    rows = [
        (shared.NAMES[name], *(shared.spread(of_sides[side]) for side in SIDES))
        for name, of_sides in results["results"].items()
    ]
    table = shared.table(("test accuracy, mean (range) of three seeds", *SIDES), rows)
    return f"{table}\n\n{shared.machine_line(results['machine'])}"


def textcnn(parts: dict, options: dict, seed: int, epochs: int, precision: str) -> float:
    """Return the test accuracy of the estimator."""
    classifier = TextCNNClassifier(
        random_state=seed,
        precision=precision,
        max_epochs=epochs,
        patience=PATIENCE,
        batch_size=BATCH,
        ngrams=0,  # the usual network has none
        **options,
    )
    classifier.fit(*parts["train"], validation_data=parts["validation"])
    return classifier.score(*parts["test"])


def usual(parts: dict, options: dict, seed: int, epochs: int) -> float:
    """Return the test accuracy of the usual network with the weights of its best epoch."""
    text = TextConfig(**options)
    vocabulary = build_vocabulary(as_column(parts["train"][0]), text)
    encoded = {
        split: (rows_of(encode_texts(as_column(texts), Tokenizer(text), vocabulary)), labels)
        for split, (texts, labels) in parts.items()
    }
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    model = UsualKimCNN(vocabulary_size=len(vocabulary), classes=2)
    with torch.no_grad():  # as textcnn starts
        model.embedding.weight.uniform_(-0.25, 0.25)
        model.embedding.weight[:2] = 0
        for convolution in model.convolutions:
            convolution.weight.uniform_(-0.01, 0.01)
            convolution.bias.zero_()
        model.softmax.weight.zero_()
        model.softmax.bias.zero_()
    optimizer = torch.optim.Adam(model.parameters())
    best, epoch, since, weights = -1.0, 0, 0, {}
    while epoch < epochs and since < PATIENCE:
        batches = padded_batches(*encoded["train"], batch_size=BATCH, generator=generator)
        train_steps(model, optimizer, batches, len(encoded["train"][1]), max_norm=3.0 * 0.5)
        accuracy = score(model, *encoded["validation"])
        epoch, since = epoch + 1, since + 1
        if accuracy > best:
            best, since = accuracy, 0
            weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    model.load_state_dict(weights)
    return score(model, *encoded["test"])


def score(model: torch.nn.Module, rows: list[np.ndarray], labels: np.ndarray) -> float:
    """Return the accuracy."""
    return float((predict(model, padded_batches(rows, labels, batch_size=BATCH, generator=None)) == labels).mean())


if __name__ == "__main__":
    main()
