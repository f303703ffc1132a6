"""`textcnn evaluate`: a saved model's scores on labelled texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from textcnn.cli.common import GroupedCommand, chosen_split, corpus_options, model_option, option, split_option

_COLUMNS = 80


@click.command(cls=GroupedCommand)
@click.argument("data", default="sample")
@model_option
@corpus_options
@split_option
@option("--json", "as_json", is_flag=True, group="Output", help="Print all figures as one JSON object.")
def command(
    data: str,
    model: Path,
    reading: dict[str, Any],
    split: str | None,
    as_json: bool,
) -> None:
    """Score a saved model on DATA: a named corpus or a file of labelled texts.

    Without DATA, the built-in sample corpus is used.

    \b
    Examples:
      textcnn evaluate
      textcnn evaluate held-out.csv -m model --json
    """
    from textcnn.data import load_corpus
    from textcnn.metrics import evaluate
    from textcnn.model import load_model

    predictor = load_model(model)
    names = [str(label) for label in predictor.classes_]
    corpus = load_corpus(data, known_classes=names, **reading)
    split = chosen_split(corpus, data, split)
    table = corpus[split].with_format("arrow")[:]
    figures = evaluate(table["label"].to_numpy(), predictor.predict_proba(table["text"]), names)
    figures = {"model": str(model), "data": data, "split": split if len(corpus) > 1 else "all", **figures}
    if as_json:
        click.echo(json.dumps(figures, ensure_ascii=False))
    else:
        _print(figures)


def _print(figures: dict[str, Any]) -> None:
    click.echo(f"{figures['model']} on {figures['data']} ({figures['split']}), {figures['examples']:,} texts\n")
    for title, key in (("accuracy", "accuracy"), ("macro-F1", "macro_f1"), ("log-loss", "log_loss")):
        click.echo(f"{title:<10} {figures[key]:.4f}")
    click.echo(f"{'majority':<10} {figures['majority']:.4f}  (always naming the most frequent class)\n")
    width = max(5, *(len(row["name"]) for row in figures["classes"]))
    width = min(width, 30)
    click.echo(f"{'class':<{width}}  precision  recall      F1  support")
    for row in figures["classes"]:
        click.echo(
            f"{row['name'][:width]:<{width}}  {row['precision']:>9.4f}  {row['recall']:.4f}  {row['f1']:.4f}"
            f"  {row['support']:>7,}"
        )
    click.echo("\nconfusion matrix (rows: true class, columns: predicted)")
    cells = [[f"{cell:,}" for cell in row] for row in figures["confusion"]]
    heads = [row["name"][:8] for row in figures["classes"]]
    wide = max(len(text) for row in [heads, *cells] for text in row)
    if width + len(heads) * (wide + 2) > _COLUMNS:
        click.echo(f"too wide for {_COLUMNS} columns; see --json")
        return
    click.echo(" " * width + "  " + "  ".join(f"{head:>{wide}}" for head in heads))
    for row, line in zip(figures["classes"], cells, strict=True):
        click.echo(f"{row['name'][:width]:<{width}}  " + "  ".join(f"{cell:>{wide}}" for cell in line))
