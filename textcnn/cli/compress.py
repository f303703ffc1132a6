"""`textcnn compress`: a saved model to a smaller one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from textcnn.cli.common import (
    DEFAULT_MODEL,
    GroupedCommand,
    corpus_options,
    labelled_split,
    option,
    scored_corpus,
    split_option,
)
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import neutralize
from textcnn.cli.training_options import flags_in_errors
from textcnn.errors import ConfigError


@click.command(cls=GroupedCommand)
@click.argument("model", required=False, default=DEFAULT_MODEL, type=click.Path())
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="SMALL",
    required=True,
    group="Output",
    help="Folder to save the smaller model in.",
)
@option("--overwrite", is_flag=True, group="Output", help="Replace a model that is there.")
@option(
    "--bits",
    type=click.Choice(("8", "16")),
    default="8",
    show_default=True,
    group="Size",
    help="Bits of a number.",
)
@option(
    "--max-mb",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    group="Size",
    help="Let the model take at most N MB: fewer dimensions, then without the rarest words and the weakest n-grams.",
)
@option(
    "--data",
    type=Source(),
    metavar="DATA",
    group="Data",
    help="Labelled texts, as for textcnn evaluate, to score both models on.",
)
@option(
    "--max-loss",
    type=click.FloatRange(min=0, max=1),
    metavar="LOSS",
    group="Data",
    help="With --data, end with exit code 1 and save nothing where the accuracy falls by more, such as 0.002.",
)
@corpus_options
@split_option
def command(
    model: str,
    output: Path,
    overwrite: bool,
    bits: str,
    max_mb: float | None,
    data: str | None,
    max_loss: float | None,
    reading: dict[str, Any],
    split: str | None,
) -> None:
    """Save MODEL, a saved model [textcnn-model], as a smaller one in SMALL.

    MODEL is its folder, or user/name or user/name@revision on the Hugging Face hub.

    Numbers are rounded to 8 bits, word vectors get 100 dimensions or fewer, and
    with --max-mb rare words and weak n-grams are left out. SMALL is a model like
    any other, and predicts faster.

    \b
    Examples:
      textcnn compress my-model -o small
      textcnn compress my-model -o small --max-mb 5 --data held-out.csv
      textcnn compress -o small --data held-out.csv --max-loss 0.002
    """
    from textcnn.inference.artifact import check_target
    from textcnn.inference.codes import NGRAMS
    from textcnn.inference.compression import size_of
    from textcnn.model import load_model

    if max_loss is not None and data is None:
        raise ConfigError("--max-loss: expected labelled texts beside it, found none; give some (--data)")
    check_target(output, overwrite=overwrite)
    large = load_model(model)
    if data is not None:
        corpus, split, _ = scored_corpus(data, split, reading, large)
        texts, labels = labelled_split(corpus, split, large)
    with flags_in_errors():
        small = large.compress(bits=int(bits), max_mb=max_mb)

    both = [large, small]
    rows = [("", ["before", "after"])]
    rows.append(("size, MB", [_megabytes(size_of(each.artifact)) for each in both]))
    rows.append(("words", [f"{len(each.artifact.words):,}" for each in both]))
    rows.append(("n-grams", [f"{len(each.artifact.weights.get(NGRAMS, ())):,}" for each in both]))
    rows.append(("dimensions", [str(each.artifact.model.dimension) for each in both]))
    loss, headline = 0.0, ""
    if data is not None:
        scored = [each.predict_proba(texts) for each in both]
        ids = large.label_ids(labels, len(texts))
        figures = [each.figures_of(ids, probabilities) for each, probabilities in zip(both, scored, strict=True)]
        rows += [(name, [f"{one[key]:.4f}" for one in figures]) for key, name in large.target.shown]
        before, after = (each.decide(probabilities) for each, probabilities in zip(both, scored, strict=True))
        rows.append(("same label", ["", f"{large.target.right(before, after).mean():.4f}"]))
        key, headline = large.target.headline
        loss = figures[0][key] - figures[1][key]
    margin = max(len(title) for title, _ in rows)
    for title, cells in rows:
        click.echo(f"{title:<{margin}}" + "".join(f"{cell:>11}" for cell in cells))
    if max_loss is not None and loss > max_loss:
        line = f"Error: {data}: expected {headline} to fall by at most {max_loss:g}, found {loss:.4f}; nothing is saved"
        click.echo(neutralize(line, sys.stderr), err=True)
        sys.exit(1)
    small.save(output, overwrite=overwrite)
    click.echo(f"saved       {output}")


def _megabytes(size: int) -> str:
    """Return bytes as MB."""
    return f"{size / 1e6:.2f}" if size >= 1e6 else f"{size / 1e6:.4f}"
