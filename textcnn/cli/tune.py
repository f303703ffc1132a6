"""`textcnn tune`: a corpus to the best model that a budget of time finds."""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from textcnn.cli import INTERRUPTED
from textcnn.cli.common import GroupedCommand, option
from textcnn.cli.display import Display, clock, make_display
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import TextLayout
from textcnn.cli.train import command as train_command
from textcnn.cli.train import describe_parts, read_parts, show_run
from textcnn.cli.training_options import (
    corpus_and_split_options,
    destination_options,
    flags_in_errors,
    settings_options,
    vectors_options,
)
from textcnn.errors import ConfigError, quoted
from textcnn.settings.options import flags_of, ordered_class_weights
from textcnn.tuning.outcomes import Limits, SearchProgress, TrialResult

if TYPE_CHECKING:
    from textcnn.run import Destination
    from textcnn.tuning.search import Found

_UNITS = {"h": 3600, "m": 60, "s": 1}
_BASIC = (
    *("output", "overwrite", "text_column", "label_column", "validation", "test", "vectors"),
    *("budget", "resume", "max_mb", "max_latency", "arch", "max_epochs", "random_state"),
)
_NOT_TRAINING = {"output", "overwrite", "report", "resume"}  # options of this command that say nothing of the model


def parse_budget(text: str) -> float:
    """Return the seconds of a time such as `10m`, `90s`, `1h30m` or `90`.

    Raises:
        ConfigError: it is none, or no time at all.
    """
    number = r"(\d+(?:\.\d+)?)"
    found = re.fullmatch(rf"(?:{number}h)?(?:{number}m)?(?:{number}s?)?", text.strip(), re.ASCII)
    times = zip(_UNITS.values(), found.groups(), strict=True) if found else ()
    seconds = sum(unit * float(amount) for unit, amount in times if amount)
    if not 0 < seconds < math.inf:
        raise ConfigError(f"budget: expected a time such as 10m, 90s or 1h30m, found {quoted(text)}")
    return seconds


class _Budget(click.ParamType):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return parse_budget(str(value))
        except ConfigError as error:
            raise click.BadParameter(str(error).removeprefix("budget: "), ctx, param) from None


@click.command(cls=GroupedCommand, basic=_BASIC)
@click.argument("data", default="sample", type=Source())
@option(
    "--budget",
    type=_Budget(),
    default="5m",
    metavar="TIME",
    show_default=True,
    group="Search",
    help="Time to search for, such as 10m, 90s or 1h30m.",
)
@option("--resume", is_flag=True, group="Search", help="Resume the search beside MODEL, or join one in a storage.")
@option(
    "--storage",
    metavar="URL",
    group="Search",
    help="Database of a search that several machines share, such as postgresql://user@host/name [MODEL.tune.db].",
)
@option(
    "--max-mb",
    type=click.FloatRange(min=0, min_open=True),
    metavar="MB",
    group="Search",
    help="The saved model may have MB millions of bytes.",
)
@option(
    "--max-latency",
    type=click.FloatRange(min=0, min_open=True),
    metavar="US",
    group="Search",
    help="Predicting one text may take US microseconds here, the median of warm calls.",
)
@destination_options
@corpus_and_split_options
@vectors_options
@settings_options
@click.pass_context
def command(
    ctx: click.Context,
    data: str,
    budget: float,
    resume: bool,
    storage: str | None,
    max_mb: float | None,
    max_latency: float | None,
    output: Path,
    overwrite: bool,
    report: bool,
    reading: dict[str, Any],
    word_vectors: dict[str, Any],
    **keywords: Any,
) -> None:
    """Search for the settings that fit DATA best, and save the best model found.

    Each trial trains as `textcnn train` does, the first with its defaults; trials
    with hopeless validation scores are ended early. A setting that is given is
    not searched. The test texts are scored once, by the best model. DATA is as
    for `textcnn train`. Ctrl-C ends the search and saves the best model so far.
    The search stays in MODEL.tune.db: --resume continues it.

    \b
    Examples:
      textcnn tune reviews.csv --budget 10m
      textcnn tune reviews.csv --budget 1h --arch kim --region-sizes 3,4,5
      textcnn tune reviews.csv --max-mb 5 --max-latency 50
      textcnn tune reviews.csv --budget 1h --resume
    """
    given = {name: value for name, value in keywords.items() if _is_given(ctx, name)}
    weights = given.pop("class_weight", None)
    from textcnn.data import check_source
    from textcnn.run import Destination
    from textcnn.tuning.search import check_search, tune
    from textcnn.vectors import check_vectors

    check_source(data, hub=reading["hub"], files=(reading["validation"], reading["test"]))
    with flags_in_errors():
        check_search(given, **word_vectors)
    if word_vectors["vectors"] is not None:
        check_vectors(word_vectors["vectors"])
    names, parts = read_parts(data, **reading)
    with flags_in_errors():
        fixed = given if weights is None else {**given, "class_weight": ordered_class_weights(weights, names)}
    describe_parts(data, names, parts)
    with _search_is_kept(Destination(output), storage), make_display() as display:
        found = tune(
            parts,
            names,
            output,
            fixed,
            budget=budget,
            max_mb=max_mb,
            max_latency=max_latency,
            storage=storage,
            source=data,
            overwrite=overwrite,
            resume=resume,
            report=report,
            progress=ShownSearch(display, Limits(max_mb, max_latency)),
            **word_vectors,
        )
    _show(found, output, _training_command(ctx, data, {**given, **found.best.keywords}))
    if found.interrupted:
        click.echo("the best trial's model is saved; call the command again with --resume to continue", err=True)
        sys.exit(INTERRUPTED)


def _is_given(ctx: click.Context, name: str | None) -> bool:
    return name is not None and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


@contextmanager
def _search_is_kept(destination: Destination, storage: str | None) -> Iterator[None]:
    """Say that the search can be resumed, if Ctrl-C ends it without a model to save."""
    try:
        yield
    except KeyboardInterrupt:
        if storage is not None or destination.study.exists():
            click.echo("the search is kept; call the command again with --resume to continue", err=True)
        raise


class ShownSearch(SearchProgress):
    """Shows a bar over the budget on a terminal, and a line for each trial that has ended."""

    def __init__(self, display: Display, limits: Limits) -> None:
        self.display, self.limits = display, limits

    def running(self, number: int, share: float, best: TrialResult | None, left: float) -> None:
        figures = f"{clock(left)} left" + ("" if best is None else f"  best {best.words}")
        self.display.show(f"trial {number}", share, figures)

    def ended(self, trial: TrialResult, best: TrialResult | None, left: float) -> None:
        figures = [f"trial {trial.number:>3}", trial.words, f"{trial.epochs} epoch{'s' * (trial.epochs != 1)}"]
        if best is not None:
            figures.append(f"best {abs(best.score or 0):.4f} (trial {best.number})")
        figures.append(f"{clock(left)} left")
        if over := self.limits.broken_by(trial):
            figures.append(f"over the limit: {', '.join(over)}")
        elif trial.outcome != "finished":
            figures.append(trial.outcome)
        self.display.say("  ".join(figures))

    def stage(self, name: str) -> None:
        self.display.announce(name)


def _show(found: Found, output: Path, training: list[str]) -> None:
    """Print the best trial, its settings as a command, the scores, and where all is."""
    best = found.best
    defaults = [trial.words for trial in found.trials if trial.defaults and trial.score is not None]
    beside = "the defaults" if best.defaults else f"the defaults: {defaults[-1]}" if defaults else "no defaults"
    items = [f"trial {best.number}", best.words, f"({beside}; {len(found.trials):,} trials)"]
    layout = TextLayout()
    layout.show(layout.row("best", items, 12, "  "))
    cost = [f"{best.megabytes or 0:,.1f} MB", f"{best.microseconds or 0:,.0f} µs a text"]
    layout.show(layout.row("model", cost, 12, "  "))
    show_run(found.run, output)
    if found.page is not None:
        click.echo(f"search      {found.page}")
    click.echo("\nthe same model again:\n" + " \\\n  ".join(training))


def _training_command(ctx: click.Context, data: str, keywords: Mapping[str, Any]) -> list[str]:
    """Return the parts of the command that trains with these settings, and what else was given that it knows."""
    known = {parameter.name for parameter in train_command.params} - _NOT_TRAINING
    parts = [shlex.join(["textcnn", "train", data])]
    for parameter in ctx.command.params:
        name = parameter.name
        if not isinstance(parameter, click.Option) or not _is_given(ctx, name) or name not in known or name in keywords:
            continue
        value = ctx.params[str(name)]
        if isinstance(value, bool):
            parts.append((parameter.opts if value else parameter.secondary_opts)[0])
        else:
            parts.append(shlex.join([max(parameter.opts, key=len), str(value)]))
    return [*parts, *flags_of(keywords)]
