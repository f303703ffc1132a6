import dataclasses
import re

import numpy as np
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textcnn.inference.card import model_card
from textcnn.settings.config import DCNNConfig, KimConfig, TextConfig, to_json
from textcnn.settings.training import TrainingConfig

TRAINING = {
    "source": "reviews.csv",
    "date": "2025-03-01",
    "texts": 1200,
    "settings": to_json(TrainingConfig()),
    "held_out": True,
}


def card(classes=("bad", "good"), model=None, training=TRAINING, split="test", **changes):
    shares = np.linspace(0.25, 1, len(classes)).tolist()
    rows = [
        {"name": str(name), "precision": 0.5, "recall": 0.25, "f1": share, "support": 30}
        for name, share in zip(classes, shares, strict=True)
    ]
    figures = {"examples": 1000, "accuracy": 0.75, "macro_f1": 0.5, "log_loss": 1.5, "majority": 0.25, "classes": rows}
    arguments = {
        "text": TextConfig(),
        "model": model or KimConfig(),
        "classes": classes,
        "words": 5000,
        "training": training,
        "metrics": {split: figures},
        "temperature": 1.5,
    }
    return model_card(**{**arguments, **changes})


def header(content):
    """The metadata, as the hub's library separates it."""
    found = re.match(r"^(\s*---[\r\n]+)([\S\s]*?)([\r\n]+---(\r\n|\n|$))", content)
    return yaml.safe_load(found[2]), content[found.end() :]


def table(content, first):
    """The cells of the rows of the table whose head begins so."""
    lines = content[content.index(f"| {first} |") :].partition("\n\n")[0].splitlines()
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]


def test_what_the_hub_reads():
    assert header(card())[0] == {
        "library_name": "textcnn",
        "pipeline_tag": "text-classification",
        "tags": ["text-classification", "convolutional-neural-network", "kim"],
        "metrics": ["accuracy", "f1"],
        "model-index": [
            {
                "name": "textcnn kim",
                "results": [
                    {
                        "task": {"type": "text-classification"},
                        "dataset": {"type": "reviews.csv", "name": "reviews.csv", "split": "test"},
                        "metrics": [
                            {"type": "accuracy", "value": 0.75},
                            {"type": "f1", "value": 0.5, "name": "macro-F1"},
                        ],
                    }
                ],
            }
        ],
    }


def test_the_hubs_library_reads_it():
    from huggingface_hub import ModelCard

    found = ModelCard(card()).data
    assert (found.model_name, found.pipeline_tag) == ("textcnn kim", "text-classification")
    assert [(one.metric_type, one.metric_value, one.dataset_split) for one in found.eval_results] == [
        ("accuracy", 0.75, "test"),
        ("f1", 0.5, "test"),
    ]


LABELS = ["a: b", "'\"", "a\n---\nb: c", "🎉", "\u2028\x85\ufeff\x00", "<b>&amp;</b>", "`|`\\|", "- x", "#", "x" * 5000]


@settings(max_examples=200)
@given(
    classes=st.lists(st.text(max_size=9), min_size=2, max_size=4, unique=True),
    source=st.text(max_size=20),
    split=st.text(min_size=1, max_size=9),
)
@example(classes=LABELS, source="a: 'b'\n---\n\"c\" #🎉\x00", split="te: st\n")
@example(classes=[-1, 2], source=": -", split="|")
@example(classes=[True, False], source="yes", split="null")
def test_any_label_and_source_stays_in_its_place(classes, source, split):
    content = card(classes, training={**TRAINING, "source": source}, split=split)
    data, body = header(content)
    line = " ".join("".join(c if c.isprintable() else " " for c in source).split())
    if line:
        assert data["model-index"][0]["results"][0]["dataset"]["name"] == line
    else:
        assert "model-index" not in data
    assert re.findall(r"^#+ .*", body, re.MULTILINE) == [
        "# A text classifier",
        *(f"## {name}" for name in ("Intended use", "Limits", "Scores", "Settings", "Before you publish it")),
    ]
    assert [len(row) for row in table(body, "split")] == [6]
    assert [len(row) for row in table(body, "class")] == [5] * len(classes)
    assert max(map(len, body.splitlines())) < 1200


def test_what_it_says():
    _, body = header(card())
    for words in (
        "network: the convolutional network of Kim (2014)",
        "classes: bad, good",
        "trained: on 1,200 texts of reviews.csv on 2025-03-01",
        "| test | 1,000 | 0.7500 | 0.5000 | 1.5000 | 0.2500 |",
        "| good | 0.5000 | 0.2500 | 1.0000 | 30 |",
        "knows 5,000 words",
        "temperature 1.5",
        "Add `license`, `language`",
    ):
        assert words in body
    assert "not calibrated" in card(temperature=1.0)


def test_many_classes_are_cut():
    content = card([f"c{number}" for number in range(5000)][::-1])
    assert "... (5,000 in all)" in content
    assert "(the 20 of lowest F1)" in content
    assert [row[0].strip() for row in table(content, "class")] == [f"c{number}" for number in range(4999, 4979, -1)]
    assert len(content) < 5000


def names(content):
    return {row[0].strip().replace("\\", ""): row[1].strip().replace("\\", "") for row in table(content, "setting")}


def test_settings_without_effect_are_left_out():
    found = names(card())
    assert not {"k", "multichannel_filters", "unseen_words", "vector_norm", "class_weight", "freeze", "max_size"} & {
        *found
    }
    assert (found["architecture"], found["pooling"], found["region_sizes"]) == ("kim", "max", "3, 4, 5")
    assert (found["learning_rate"], found["max_norm"], found["validation_share"]) == ("0.001", "3.0", "0.1")
    k_max = KimConfig(pooling="k-max", channels="multichannel")
    found = names(card(model=k_max, training={**TRAINING, "held_out": False}))
    assert (found["k"], found["multichannel_filters"], found["unseen_words"]) == ("3", "shared", "20000")
    assert "validation_share" not in found
    assert names(card(model=DCNNConfig()))["max_norm"] == "0.0"


def test_what_is_not_known_is_left_out():
    content = card(training={}, metrics={}, model=dataclasses.replace(DCNNConfig(), channels="static"))
    assert "trained: by textcnn" in content
    assert "Scores" not in content
    assert "None" not in content
    assert header(content)[0]["tags"][-1] == "dcnn"
    assert "| test | 4 | 0.5000 |  |  |  |" in card(metrics={"test": {"accuracy": 0.5, "examples": 4}})
