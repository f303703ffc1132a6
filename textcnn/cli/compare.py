"""`textcnn compare`: two saved models side by side on labelled texts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from textcnn.cli.common import GroupedCommand, corpus_options, labelled_split, option, scored_corpus, split_option
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import TextLayout, neutralize

if TYPE_CHECKING:
    from rich.text import Text

    from textcnn.comparison import Comparison
    from textcnn.explain.explanation import Explanation

Shown = list[dict[str, Any]]


@click.command(cls=GroupedCommand)
@click.argument("first", metavar="A", type=click.Path())
@click.argument("second", metavar="B", type=click.Path())
@click.argument("data", type=Source())
@corpus_options
@split_option
@option(
    "--texts",
    type=click.IntRange(min=0),
    default=3,
    metavar="N",
    show_default=True,
    group="Output",
    help="Show N texts that get different labels, with both explanations.",
)
@option("--json", "as_json", is_flag=True, group="Output", help="Print everything as one JSON object.")
def command(
    first: str,
    second: str,
    data: str,
    reading: dict[str, Any],
    split: str | None,
    texts: int,
    as_json: bool,
) -> None:
    """Compare the saved models A and B on DATA: a named corpus or a file of labelled texts.

    A and B are folders, or user/name or user/name@revision on the Hugging Face hub.
    A difference is B's score less A's, with its 95% confidence interval (bootstrap over
    the texts). McNemar's exact test tells how probable the table of right and wrong
    labels, or one less even, would be if both models were equally good. The texts shown
    are those where both models are surest of different labels.

    \b
    Examples:
      textcnn compare old-model new-model held-out.csv
      textcnn compare old-model new-model held-out.csv --texts 10 --json
    """
    import pyarrow as pa

    from textcnn.comparison import compare, same_classes
    from textcnn.model import load_model

    models = load_model(first), load_model(second)
    same_classes(*models)  # before the texts are read
    corpus, split, name = scored_corpus(data, split, reading, *models)
    column, labels = labelled_split(corpus, split, models[0])
    comparison = compare(*models, column, labels)
    rows = comparison.rows[:texts]
    own = models[0].label_ids(labels, len(column))[rows]
    named = models[0].target.named(own, models[0].classes_)
    column = column.take(pa.array(rows))
    shown = [
        {
            "row": row + 1,
            "text": pair[0].text,
            "label": each.item() if isinstance(each, np.generic) else each,
            "explanations": pair,
        }
        for row, each, *pair in zip(rows.tolist(), named, *(model.explain(column) for model in models), strict=True)
    ]
    names = {"a": first, "b": second, "data": data, "split": name}
    if as_json:
        for each in shown:
            each["explanations"] = [explanation.to_json() for explanation in each["explanations"]]
        click.echo(neutralize(json.dumps({**names, **comparison.to_json(), "texts": shown}, ensure_ascii=False)))
    else:
        layout = TextLayout()
        layout.show(_lines(names, comparison, shown, layout))


def _lines(names: dict[str, str], comparison: Comparison, shown: Shown, layout: TextLayout) -> list[str | Text]:
    from textcnn.cli.explanations import lines

    texts = comparison.first["examples"]
    out: list[str | Text] = []
    for line in (f"A  {names['a']}", f"B  {names['b']}", f"{names['data']} ({names['split']}), {texts:,} texts"):
        out += layout.wrapped(layout.text(line))
    out += ["", f"{'':<11}{'A':>6}  {'B':>6}    B - A  95% interval"]
    titles = {"accuracy": "accuracy", "micro_f1": "micro-F1", "macro_f1": "macro-F1", "log_loss": "log-loss"}
    for key in [key for key in titles if key in comparison.differences]:
        title = "all right" if key == "accuracy" and "micro_f1" in comparison.differences else titles[key]
        one, other, change = comparison.first[key], comparison.second[key], comparison.differences[key]
        interval = f"{change.low:+.4f} to {change.high:+.4f}"
        out.append(f"{title:<11}{one:.4f}  {other:.4f}  {change.value:+.4f}  {interval}")
    (both, only_first), (only_second, neither) = comparison.table.tolist()
    wide = max(7, len(f"{texts:,}"))
    out += ["", f"{'':<11}{'B right':>{wide}}  {'B wrong':>{wide}}"]
    out += [f"{'A right':<11}{both:>{wide},}  {only_first:>{wide},}"]
    out += [f"{'A wrong':<11}{only_second:>{wide},}  {neither:>{wide},}"]
    out += layout.paragraph("McNemar", f"p = {comparison.p_value:.2g} (exact test, two-sided)", 11)
    out += ["", *layout.wrapped(layout.text(_of(len(comparison.rows), len(shown))))]
    for each in shown:
        out += ["", *layout.row("", [f"row {each['row']:,}", f"label {_label(each['label'])}"], 0)]
        explanations: list[Explanation] = each["explanations"]
        for name, explanation in [
            (name, part) for name, one in zip("AB", explanations, strict=True) for part in one.by_label()
        ]:
            first, *others = lines(explanation, layout=layout)
            out += [*layout.wrapped(layout.text(f"{name}  ").append_text(first)), *others]
    return out


def _label(label: Any) -> str:
    return (", ".join(map(str, label)) or "none") if isinstance(label, list) else str(label)


def _of(differing: int, shown: int) -> str:
    if not differing:
        return "no text gets different labels"
    what = "1 text gets different labels" if differing == 1 else f"{differing:,} texts get different labels"
    return f"{what}, here where both models are surest:" if shown else what
