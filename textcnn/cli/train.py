"""`textcnn train`: a corpus to a saved, evaluated model."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from textcnn.cli import INTERRUPTED
from textcnn.cli.common import FORM, GroupedCommand, option, replacing
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import TextLayout, neutralize
from textcnn.cli.training_options import (
    corpus_and_split_options,
    destination_options,
    flags_in_errors,
    init_from_option,
    settings_options,
    vectors_options,
)
from textcnn.errors import ConfigError, DataError, listed
from textcnn.files import check_output
from textcnn.settings.options import make_settings, ordered_class_weights
from textcnn.settings.presets import PRESETS, preset_keywords
from textcnn.targets import target_of
from textcnn.training.group import ONE_PROCESS

if TYPE_CHECKING:
    from textcnn.data.labelled import Labelled
    from textcnn.data.soft_labels import SoftLabels
    from textcnn.run import Run
    from textcnn.settings.options import Settings
    from textcnn.training.cross_validation import CrossValidation, Fold


_MARGIN = 12
_BASIC = (
    *("output", "overwrite", "text_column", "label_column", "label_separator", "validation", "test"),
    *("vectors", "preset"),
    *("resume", "folds", "max_epochs", "learning_rate", "random_state"),
)


@click.command(cls=GroupedCommand, basic=_BASIC)
@click.argument("data", default="sample", type=Source())
@destination_options
@corpus_and_split_options
@vectors_options
@init_from_option
@option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    group="Model",
    help="Settings of a paper (its own for DATA, where it has such), or the best for opinions with word vectors; other "
    "options override them.",
)
@option(
    "--soft-labels",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    group="Data",
    help="File of more texts with the probability of each class, as `predict --proba` writes it; repeatable.",
)
@option("--resume", is_flag=True, group="Training", help="Resume a run that was stopped.")
@option(
    "--cv",
    "folds",
    type=click.IntRange(min=2),
    metavar="K",
    group="Training",
    help="Cross-validate with K folds instead; of a corpus with a fixed test, on the other texts.",
)
@option(
    "--cv-probabilities",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Training",
    help="With --cv, write the probabilities of each text, by the model that did not learn from it, to a CSV file.",
)
@option(
    "--final",
    is_flag=True,
    group="Training",
    help="After --cv, train on the same texts and save the model.",
)
@settings_options
@click.pass_context
def command(
    ctx: click.Context,
    data: str,
    output: Path,
    overwrite: bool,
    report: bool,
    reading: dict[str, Any],
    word_vectors: dict[str, Any],
    init_from: Path | None,
    preset: str | None,
    soft_labels: tuple[str, ...],
    resume: bool,
    folds: int | None,
    cv_probabilities: Path | None,
    final: bool,
    **keywords: Any,
) -> None:
    """Train a classifier on DATA, evaluate it on its test texts and save it.

    DATA is a named corpus (see `textcnn data`); a file or a pattern of files: CSV,
    TSV, JSON Lines, fastText lines (gzip'ed or not), Parquet or Arrow; a folder of
    train.*, validation.* and test.* files, of a sub-folder a class, or saved by
    `datasets`; or user/name on the Hugging Face hub. Without it, the built-in
    sample corpus is used. Ctrl-C ends training early and saves the best epoch.

    \b
    Examples:
      textcnn train
      textcnn train reviews.csv -o model --test held-out.csv
      textcnn train reviews.csv --vectors vectors.bin --channels static
      textcnn train reviews.csv --cv 10 --cv-probabilities held-out.csv
      textcnn train reviews.csv --soft-labels answers.parquet
      textcnn train other.csv --init-from model --freeze embeddings,convolution
      torchrun --standalone --nproc-per-node 2 -m textcnn train reviews.csv
    """
    if final and folds is None:
        raise ConfigError("--final: expected --cv beside it; textcnn train alone trains a model")
    if cv_probabilities is not None and folds is None:
        raise ConfigError("--cv-probabilities: expected --cv beside it; textcnn train alone has no folds")
    if soft_labels and folds is not None:
        raise ConfigError(
            "--soft-labels: expected no --cv beside them, since their teacher may know the texts of every fold, found "
            "it; give each fold's texts and soft labels to a run of its own"
        )
    group = ctx.obj or ONE_PROCESS
    if folds is not None and group.size > 1:
        raise ConfigError(f"--cv: expected one process, found {group.size}; leave out torchrun, or train without --cv")
    if preset is not None:
        given = ParameterSource.COMMANDLINE
        chosen = preset_keywords(preset, data)
        keywords |= {key: value for key, value in chosen.items() if ctx.get_parameter_source(key) is not given}
    from textcnn.data import check_source
    from textcnn.run import Destination, check_start, train_and_save
    from textcnn.training.cross_validation import summarize
    from textcnn.vectors import check_vectors

    # Names and settings are checked before the output is, and before the corpus is read; class weights need its names.
    check_source(data, hub=reading["hub"], files=(reading["validation"], reading["test"], *soft_labels))
    weights = keywords.pop("class_weight")
    with flags_in_errors():
        settings = make_settings(keywords, init_from=init_from, **word_vectors)
        check_start(settings)
    if word_vectors["vectors"] is not None:
        check_vectors(word_vectors["vectors"])
    if folds is not None:
        Destination(output).check_folds(overwrite=overwrite, resume=resume)
    if cv_probabilities is not None:
        check_output(cv_probabilities, overwrite=overwrite, error=DataError)
    if (folds is None or final) and group.leads:
        Destination(output).check(overwrite=overwrite, resume=resume)

    from textcnn.cli.display import make_progress

    names, parts = read_parts(data, **reading)
    with flags_in_errors():
        training = dataclasses.replace(settings.training, class_weight=ordered_class_weights(weights, names))
    settings = dataclasses.replace(settings, training=training)
    describe_parts(data, names, parts)
    soft = _read_soft_labels(soft_labels, names, parts["train"], reading) if soft_labels else None
    scores = None
    if folds is not None:
        own_split = reading["validation"] is None and reading["test"] is None
        everything, fixed = _split_for_folds(parts, data if own_split else None)
        found = _cross_validate(everything, names, output, settings, folds, resume=resume, overwrite=overwrite)
        if cv_probabilities is not None:
            separator = reading["label_separator"] or ";"
            _write_probabilities(cv_probabilities, everything, names, found, separator=separator, overwrite=overwrite)
        scores = summarize(found.folds)
        if not final:
            return
        parts = {"train": everything, **fixed}
    with make_progress() as progress:
        run = train_and_save(
            parts,
            names,
            output,
            settings,
            soft=soft,
            source=data,
            overwrite=overwrite,
            resume=resume,
            report=report,
            scores=scores,
            progress=progress,
            group=group,
        )
    end_run(run, output)


def _read_soft_labels(
    files: Sequence[str], names: list[str], training: Labelled, reading: Mapping[str, Any]
) -> SoftLabels:
    """Return the texts of files with the probability of each class, and say on stderr how many they are."""
    from textcnn.cli.display import say
    from textcnn.data.soft_labels import read_soft_labels

    columns = {name: reading[name] for name in ("text_column", "weight_column")}
    form = {name: reading[name] for name in FORM}
    found = read_soft_labels(files, names, target=target_of(training.labels), **columns, **form)
    say(f"{listed(files)}: {len(found):,} texts with soft labels")
    return found


def _split_for_folds(parts: dict[str, Labelled], data: str | None) -> tuple[Labelled, dict[str, Labelled]]:
    from textcnn.run import texts_for_folds

    return texts_for_folds(parts, data)


def _cross_validate(
    texts: Labelled,
    names: list[str],
    output: Path,
    settings: Settings,
    folds: int,
    *,
    resume: bool,
    overwrite: bool,
) -> CrossValidation:
    """Print each fold's scores as they come, then mean and standard deviation."""
    from textcnn.cli.display import make_progress
    from textcnn.run import Destination, cross_validate_and_save
    from textcnn.training.cross_validation import summarize

    layout = TextLayout()
    shown = target_of(texts.labels).shown

    def show(fold: Fold) -> None:
        scores = [f"{name} {getattr(fold, key):.4f}" for key, name in shown]
        scores.append(f"({fold.examples:,} texts, epoch {fold.best_epoch})")
        with progress.display.paused():
            title = f"fold {fold.number:>2} of {folds}  "
            layout.show(layout.row(title, scores, len(title), "  "))

    results = Destination(output).folds
    with _folds_are_kept(results), make_progress() as progress:
        found = cross_validate_and_save(
            texts,
            names,
            output,
            settings,
            folds=folds,
            resume=resume,
            overwrite=overwrite,
            progress=progress,
            on_fold=show,
        )
    summary = summarize(found.folds)
    margin = max(10, *(len(name) for _, name in shown))
    for key, title in shown:
        figures = summary[key]
        click.echo(
            f"{title:<{margin}} mean {figures['mean']:.4f}  standard deviation {figures['standard_deviation']:.4f}"
        )
    click.echo(f"saved      {results}")
    return found


def _write_probabilities(
    path: Path, texts: Labelled, names: list[str], found: CrossValidation, *, separator: str, overwrite: bool
) -> None:
    """Write a row a text: text, label, fold, prediction (of several labels at 0.5), the probability of each class."""
    import pyarrow as pa

    from textcnn.cli.cells import write_csv
    from textcnn.inference.prediction_columns import probability_columns
    from textcnn.text.columns import strings

    target, form = target_of(texts.labels), {"separator": separator, "none": ""}
    columns = {
        "text": texts.texts,
        "label": strings(target.shown_as(texts.labels, names, **form)),
        "fold": pa.array(found.fold_of),
        "prediction": strings(target.shown_as(target.decide(found.probabilities), names, **form)),
        **probability_columns(names, found.probabilities),
    }
    with replacing(path, overwrite=overwrite) as file:
        write_csv(file, columns)
    click.echo(f"wrote      {path}")


@contextmanager
def _folds_are_kept(results: Path) -> Iterator[None]:
    """Say where the finished folds are, if Ctrl-C ends the run."""
    try:
        yield
    except KeyboardInterrupt:
        if results.exists():
            click.echo(
                f"the finished folds are in {results}; call the command again with --resume to continue", err=True
            )
        raise


def read_parts(data: str, **reading: Any) -> tuple[list[str], dict[str, Labelled]]:
    """Return the classes of DATA and its labelled texts by split.

    Args:
        data: the source.
        reading: keywords of `textcnn.data.load_corpus`, whose errors are raised.
    """
    from textcnn.data import load_tables

    corpus = load_tables(data, **reading)
    return corpus.classes, corpus.parts()


def describe_parts(data: str, names: list[str], parts: dict[str, Labelled]) -> None:
    """Say on stderr what has been read."""
    from textcnn.cli.display import say

    counts = ", ".join(f"{len(texts):,} {split}" for split, texts in parts.items())
    say(f"{data}: {counts}; {len(names):,} {target_of(parts['train'].labels).plural} ({listed(names)})")


def end_run(run: Run, output: Path) -> None:
    """Print what `show_run` does, and exit as after Ctrl-C if that ended the training."""
    show_run(run, output)
    if run.history.interrupted:
        click.echo("the best epoch's model is saved; call the command again with --resume to continue", err=True)
        sys.exit(INTERRUPTED)


def show_run(run: Run, output: Path) -> None:
    """Print the scores of a model, and where it is saved."""
    artifact = run.model.artifact
    rows: list[tuple[str, list[str]]] = []
    initial = artifact.training["initial"]
    if initial is not None:
        layers = "convolution and softmax" if initial["softmax"] else "convolution"
        rows.append(("start", [f"{layers}, {initial['words']:,} of {initial['of']:,} words"]))
    vectors = artifact.training["vectors"]
    if vectors is not None:
        found = f"{vectors['found']:,} of {vectors['words']:,} words found, {vectors['unseen']:,} others kept"
        rows.append(("vectors", [found]))
    for split in ("validation", "test"):
        figures = artifact.metrics.get(split)
        if figures is None:
            rows.append(("test", ["no test texts; give some with --test, or see textcnn evaluate"]))
        else:
            scores = [f"{name} {figures[key]:.4f}" for key, name in artifact.target.shown]
            if "majority" in figures:
                scores.append(f"(majority class {figures['majority']:.4f})")
            rows.append((split, scores))
        if figures is not None and "teacher" in figures:
            beside = figures["teacher"]
            rows.append(("  teacher", [f"accuracy {beside['accuracy']:.4f}", f"agreement {beside['agreement']:.4f}"]))
    layout = TextLayout()
    for title, items in rows:
        layout.show(layout.row(title, items, _MARGIN, "  "))
    click.echo(f"saved       {output}")  # a path stays on one line
    if run.report is not None:
        click.echo(f"report      {run.report}")
    if run.report_error is not None:
        click.echo(f"report      not written: {neutralize(str(run.report_error), sys.stderr)}", err=True)
