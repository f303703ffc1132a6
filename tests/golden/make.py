"""Make the golden models of the current format: `python tests/golden/make.py`, once for each version of the format.

Each is a small saved model with the probabilities that it gave when it was made (`scores.json`). Those that are there
are never made again: the tests load them for ever.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from textcnn import TextCNNClassifier

HERE = Path(__file__).parent
TEXTS = [
    "a good film , warm and funny",
    "good fun for all of us",
    "not bad at all , really good",
    "a warm and charming story",
    "a bad film , cold and dull",
    "bad jokes and no story at all",
    "not good at all , really bad",
    "a dull and tedious mess",
    "neither good nor bad",
    "just a film like any other",
    "it is what it is",
    "a story , no more , no less",
]
SCORED = [*TEXTS, "", "unheard words alone", "Good!", "bad " * 30, "die naïve Σ 好き film"]
LABELS = {
    "str": ["good"] * 4 + ["bad"] * 4 + ["neither"] * 4,
    "int": [1] * 4 + [-1] * 4 + [0] * 4,
    "bool": [True] * 4 + [False] * 8,
    "float": [1.0] * 4 + [2.0] * 8,
}
SHARED = {"max_epochs": 3, "validation_share": 0.4, "dropout": 0.0, "learning_rate": 0.05}
MODELS = {
    "kim": {"dimension": 4, "feature_maps": 3, "labels": "str"},
    "kim-trigrams": {"dimension": 4, "feature_maps": 2, "ngrams": 3, "labels": "int"},
    "kim-average": {"dimension": 4, "feature_maps": 2, "pooling": "average", "padding": "narrow", "labels": "bool"},
    "kim-k-max": {"dimension": 4, "feature_maps": 2, "pooling": "k-max", "activation": "tanh", "ngrams": 0},
    "kim-separate": {
        "feature_maps": 2,
        "vectors": True,
        "channels": "multichannel",
        "multichannel_filters": "separate",
        "tokenizer": "whitespace",
        "labels": "float",
    },
    "dcnn": {"arch": "dcnn", "dimension": 8, "region_sizes": (3, 2), "feature_maps": (2, 2), "k_top": 2},
    "dcnn-static": {
        "arch": "dcnn",
        "vectors": True,
        "channels": "static",
        "region_sizes": (2,),
        "feature_maps": (2,),
        "ngrams": 0,
        "lowercase": False,
    },
    "stacked": {"arch": "stacked", "dimension": 4, "region_sizes": (3, 2), "feature_maps": (3, 2)},
    "stacked-average": {
        "arch": "stacked",
        "dimension": 4,
        "region_sizes": (2, 2, 2),
        "feature_maps": (2, 3, 2),
        "global_pooling": "average",
        "tokenizer": "kim",
        "max_length": 9,
    },
    "stacked-deep": {
        "arch": "stacked",
        "dimension": 4,
        "region_sizes": (2, 3, 3),
        "feature_maps": (3, 4, 2),
        "branches": (1, 3),
        "shortcut": True,
        "activation": "tanh",
        "max_epochs": 20,
        "ngrams": 0,
        "validation_data": True,
    },
    "dpcnn": {
        "arch": "dpcnn",
        "dimension": 4,
        "region_sizes": (1, 2),
        "feature_maps": 2,
        "blocks": 3,
        "max_epochs": 20,
        "ngrams": 0,
        "validation_data": True,
    },
}


def main() -> None:
    """Make those that are missing."""
    with tempfile.TemporaryDirectory() as folder:
        vectors = Path(folder) / "vectors.txt"
        generator = np.random.default_rng(0)
        words = sorted({word for text in TEXTS for word in text.split()})
        lines = [f"{word} {' '.join(f'{x:.3f}' for x in generator.normal(size=6))}" for word in words]
        vectors.write_text(f"{len(words)} 6\n" + "\n".join(lines) + "\n", encoding="utf-8")
        for name, settings in MODELS.items():
            settings = {**SHARED, **settings}
            labels = LABELS[settings.pop("labels", "str")]
            if settings.pop("vectors", False):
                settings["vectors"] = vectors
            # Deep networks learn nothing from so few texts unless the epoch is chosen on these.
            validation = (TEXTS, labels) if settings.pop("validation_data", False) else None
            made = Path(folder) / name
            classifier = TextCNNClassifier(**settings).fit(TEXTS, labels, validation_data=validation)
            classifier.save(made)
            version = json.loads((made / "config.json").read_text(encoding="utf-8"))["version"]
            target = HERE / f"v{version}-{name}"
            if target.exists():
                continue
            classifier.save(target)
            scores = {"texts": SCORED, "probabilities": classifier.predict_proba(SCORED).astype(float).tolist()}
            (target / "scores.json").write_text(
                json.dumps(scores, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
            )


if __name__ == "__main__":
    main()
