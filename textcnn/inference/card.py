"""The model card: a saved model's README.md, with the YAML header that the Hugging Face hub reads.

Whatever comes from the data (labels, sources, settings) is escaped: it stays in its line and its cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textcnn.metrics import ENOUGH
from textcnn.settings.architectures import architecture_of
from textcnn.settings.config import NetworkConfig, TextConfig
from textcnn.settings.training import LEARNING_RATES
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS, Target, Temperature
from textcnn.version import __version__

_MOST_CLASSES = 20  # listed, and with figures of their own
_LONGEST = 80  # characters of a label, a source or a setting
_ONLY_WITH_VECTORS = ("unseen_words", "vector_norm")

_NETWORKS = {
    "kim": "the convolutional network of Kim (2014)",
    "dcnn": "the dynamic convolutional network of Kalchbrenner et al. (2014)",
    "stacked": "stacked convolutions",
    "dpcnn": "the deep pyramid convolutional network of Johnson and Zhang (2017)",
}

_USE = """\
## Intended use

The model gives {what}, with a probability for each, to a text like those it was trained on.

```bash
textcnn predict -m {name} "a text"
```

```python
from textcnn import load_model

load_model("{name}").predict(["a text"])
```
"""
_LIMITS = """\
## Limits

- {always}
- It knows {words:,} words, those of its training texts{vectors}; others tell it nothing.
- It repeats what its training labels say, their errors and biases included.
- The figures hold for texts of the same source. Validation figures are flattering: they chose the epoch.
- {calibration}
"""
_PUBLISH = """\
## Before you publish it

textcnn does not know the license, the language and the authors of the data. Add `license`, `language` and, if the data
are on the hub, `datasets` to the header of this file, and say above who collected and labelled the texts, and how.
"""


@dataclass(frozen=True)
class Publication:
    """What the card of a published model says besides.

    Attributes:
        name: `user/name` on the Hugging Face hub.
        license: the model's license, by the hub's name for it.
        language: of the texts, as ISO 639 codes.
        datasets: names of the data on the hub.
        picture: the file name of a picture of the scores, and what it shows.
    """

    name: str
    license: str | None = None
    language: Sequence[str] = ()
    datasets: Sequence[str] = ()
    picture: tuple[str, str] | None = None


def model_card(
    *,
    text: TextConfig,
    model: NetworkConfig,
    classes: Sequence[Any],
    words: int,
    training: Mapping[str, Any],
    metrics: Mapping[str, Any],
    temperature: Temperature,
    target: Target = ONE_CLASS,
    publication: Publication | None = None,
) -> str:
    """Return the card of a model.

    Args:
        text: how texts become ids.
        model: the network's settings.
        classes: the labels, K of them.
        words: the size of the vocabulary.
        training: facts about the training run.
        metrics: scores by split.
        temperature: what logits are divided by.
        target: what a text's labels are.
        publication: where it is published; None for a folder.
    """
    several = target is SEVERAL_LABELS
    vectors = " and of its word vectors' file" if training.get("vectors") else ""
    calibration = (
        f"Its probabilities are those of fewer than {ENOUGH} validation texts, or none: they are not calibrated."
        if np.all(np.equal(temperature, 1))
        else f"Its probabilities are calibrated on the validation texts alone (temperature {np.mean(temperature):.3g}"
        f"{' on average' if several else ''})."
    )
    if several:
        what = f"any number of its {len(classes):,} labels"
        always = "A text of another subject or language may get labels too, or none."
    else:
        what = f"one of its {len(classes):,} classes"
        always = "Every text gets one of the classes: a text of another subject or language, or an empty one, too."
    parts = [
        _header(model, training, metrics, publication),
        _description(model, classes, training, target),
        _USE.format(what=what, name=publication.name if publication else "FOLDER"),
        _LIMITS.format(always=always, words=words, vectors=vectors, calibration=calibration),
        *_scores(metrics, target),
        _settings(text, model, training),
    ]
    if publication is None:
        parts.append(_PUBLISH)
    elif publication.picture:
        file, caption = publication.picture
        parts.insert(-1, f"![{_escaped(caption)}]({file})\n")
    return "\n".join(parts)


def _header(
    model: NetworkConfig, training: Mapping[str, Any], metrics: Mapping[str, Any], publication: Publication | None
) -> str:
    """Return the metadata (https://huggingface.co/docs/hub/model-cards#model-card-metadata)."""
    import yaml

    architecture = architecture_of(model).name
    header: dict[str, Any] = {}
    if publication is not None:
        given = {
            "license": publication.license,
            "language": [*publication.language],
            "datasets": [*publication.datasets],
        }
        header |= {key: value for key, value in given.items() if value}
    header |= {
        "library_name": "textcnn",
        "pipeline_tag": "text-classification",
        "tags": ["text-classification", "convolutional-neural-network", architecture],
        "metrics": ["accuracy", "f1"],
    }
    source = _one_line(training.get("source") or "")
    if source and metrics:
        results = [_result(source, _one_line(split), figures) for split, figures in metrics.items()]
        name = publication.name if publication else f"textcnn {architecture}"
        header["model-index"] = [{"name": name, "results": results}]
    return f"---\n{yaml.safe_dump(header, allow_unicode=True, sort_keys=False)}---\n"


def _result(source: str, split: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    values = [{"type": "accuracy", "value": figures["accuracy"]}]
    if figures.get("micro_f1") is not None:
        values.append({"type": "f1", "value": figures["micro_f1"], "name": "micro-F1"})
    if figures.get("macro_f1") is not None:
        values.append({"type": "f1", "value": figures["macro_f1"], "name": "macro-F1"})
    return {
        "task": {"type": "text-classification"},
        "dataset": {"type": source, "name": source, "split": split},
        "metrics": values,
    }


def _description(model: NetworkConfig, classes: Sequence[Any], training: Mapping[str, Any], target: Target) -> str:
    architecture = architecture_of(model).name
    shown = ", ".join(_escaped(label) for label in classes[:_MOST_CLASSES])
    more = f", ... ({len(classes):,} in all)" if len(classes) > _MOST_CLASSES else ""
    texts, source = training.get("texts"), training.get("source")
    trained = [f"on {texts:,} texts" if texts is not None else "", f"of {_escaped(source)}" if source else ""]
    trained += [f"on {_escaped(training['date'])}" if training.get("date") else "", f"by textcnn {__version__}"]
    lines = ["# A text classifier", "", f"- network: {_NETWORKS.get(architecture, architecture)}"]
    lines += [f"- {target.plural}: {shown}{more}", f"- trained: {' '.join(filter(None, trained))}"]
    if before := training.get("compression"):
        lines.append(
            f"- compressed: to numbers of {before['bits']} bits; it had {before['dimension']} dimensions, "
            f"{before['words']:,} words and {before['ngrams']:,} n-grams, and the scores below are from before"
        )
    lines.append("")
    return "\n".join(lines)


def _scores(metrics: Mapping[str, Any], target: Target) -> Iterator[str]:
    """Yield a table of the scores of each split, and one of the classes in the test, or else the first split."""
    if not metrics:
        return
    columns = {name: key for key, name in target.shown} | {"log-loss": "log_loss"}
    if target is not SEVERAL_LABELS:
        columns["most frequent class"] = "majority"
    rows = [
        [_escaped(split), f"{figures['examples']:,}", *(_number(figures.get(key)) for key in columns.values())]
        for split, figures in metrics.items()
    ]
    yield "## Scores\n\n" + _table(["split", "texts", *columns], rows)
    split = "test" if "test" in metrics else next(iter(metrics))
    classes = metrics[split].get("classes") or []
    if not classes:
        return
    which = ""
    if len(classes) > _MOST_CLASSES:  # classes without texts have no score
        classes = sorted(classes, key=lambda row: (not row["support"], row["f1"]))[:_MOST_CLASSES]
        which = f" (the {_MOST_CLASSES} of lowest F1)"
    rows = [
        [_escaped(row["name"]), *(_number(row[key]) for key in ("precision", "recall", "f1")), f"{row['support']:,}"]
        for row in classes
    ]
    what = "label" if target is SEVERAL_LABELS else "class"
    yield f"By {what} on {_escaped(split)}{which}:\n\n" + _table([what, "precision", "recall", "F1", "texts"], rows)


def _settings(text: TextConfig, model: NetworkConfig, training: Mapping[str, Any]) -> str:
    """Return the settings that had an effect."""
    trained = training.get("settings") or {}
    usual = {"learning_rate": LEARNING_RATES.get(str(trained.get("optimizer"))), "max_norm": model.default_max_norm}
    found = {"architecture": architecture_of(model).name, **model.used(), **text.used()}
    epochs = (training.get("history") or {}).get("epochs") or [{}]
    usual |= {"monitor": epochs[-1].get("monitor"), "validation_folds": training.get("folds") or None}
    found |= {name: usual.get(name) if value is None else value for name, value in trained.items()}
    without = set(() if model.pretrained else _ONLY_WITH_VECTORS)
    if training.get("held_out") is False or training.get("folds"):
        without.add("validation_share")
    if not training.get("folds"):
        without.add("validation_folds")
    rows = [
        [_escaped(name), _escaped(_value(value))]
        for name, value in found.items()
        if name not in without and value not in (None, (), [])
    ]
    return "## Settings\n\n" + _table(["setting", "value"], rows)


def _value(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _one_line(value: Any) -> str:
    """Return a value as printable text of one line, cut to a length."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _escaped(value: Any) -> str:
    """Return a value as Markdown that shows it as it is."""
    return re.sub(r"([\\`*_\[\]<>|~&$#])", r"\\\1", _one_line(value))
