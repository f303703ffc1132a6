"""`textcnn train`: a corpus to a saved, evaluated model."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from textcnn.cli import INTERRUPTED
from textcnn.cli.common import DEFAULT_MODEL, GroupedCommand, corpus_options, label_names, option
from textcnn.cli.training_options import settings_options
from textcnn.errors import ConfigError, DataError
from textcnn.settings.options import OPTIONS, Settings, make_settings
from textcnn.settings.presets import PRESETS, preset_keywords

if TYPE_CHECKING:
    import datasets

    from textcnn.inference.artifact import Artifact
    from textcnn.training.pipeline import Labelled


@click.command(cls=GroupedCommand)
@click.argument("data", default="sample")
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=DEFAULT_MODEL,
    metavar="MODEL",
    show_default=True,
    group="Output",
    help="Folder to save the model in.",
)
@option("--overwrite", is_flag=True, group="Output", help="Replace a model that is there.")
@option(
    "--report/--no-report",
    default=True,
    group="Output",
    help="Write a page on the model into its folder [default: report].",
)
@corpus_options
@option(
    "--validation",
    metavar="FILE",
    group="Data",
    help="File of validation texts [a share of the training texts].",
)
@option(
    "--test",
    metavar="FILE",
    group="Data",
    help="File of test texts, scored once after training.",
)
@option(
    "--phrases/--no-phrases", default=True, group="Data", help="sst1, sst2: train on phrases too [default: phrases]."
)
@option(
    "--vectors",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Model",
    help="File of word vectors: word2vec, GloVe, fastText or gensim .kv.",
)
@option(
    "--init-from",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    group="Model",
    help="Folder of a saved model to start from, whose settings are then taken.",
)
@option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    group="Model",
    help="Settings of a paper, or the best for opinions with word vectors; for DATA where it has its own. Options go "
    "before them.",
)
@option("--resume", is_flag=True, group="Training", help="Go on with a run that was stopped.")
@option(
    "--cv",
    "folds",
    type=click.IntRange(min=2),
    metavar="K",
    group="Training",
    help="Cross-validate with K folds instead; of a corpus with a fixed test, on the other texts.",
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
    validation: str | None,
    test: str | None,
    phrases: bool,
    vectors: Path | None,
    init_from: Path | None,
    preset: str | None,
    resume: bool,
    folds: int | None,
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
      textcnn train reviews.csv --cv 10
      textcnn train other.csv --init-from model --freeze embeddings,convolution
    """
    from textcnn.inference.artifact import check_target, save_artifact

    if final and folds is None:
        raise ConfigError("--final: expected --cv beside it; textcnn train alone trains a model")
    checkpoint, results = beside(output, ".checkpoint"), beside(output, ".cv.json")
    if folds is None or final:
        # Going on with a run replaces what it saved when it was interrupted, and nothing else.
        overwrite_model = overwrite or (resume and checkpoint.exists())
        check_target(output, overwrite=overwrite_model)
        if checkpoint.exists() and not (resume or overwrite):
            raise DataError(
                f"{checkpoint}: an unfinished run is there; go on with it (--resume) or train anew (--overwrite)"
            )
    if preset is not None:
        given = ParameterSource.COMMANDLINE
        chosen = preset_keywords(preset, data)
        keywords |= {key: value for key, value in chosen.items() if ctx.get_parameter_source(key) is not given}
    # Settings are checked before the corpus is read; class weights need its names.
    weights = keywords.pop("class_weight")
    settings = _settings({**keywords, "class_weight": None}, vectors, init_from)
    if init_from is not None:
        from textcnn.inference.artifact import load_artifact
        from textcnn.training.transfer import adopt

        with _told_by_option():
            adopt(settings, load_artifact(init_from))

    from textcnn.data import load_corpus

    corpus = load_corpus(data, validation=validation, test=test, phrases=phrases, **reading)
    names = label_names(corpus)
    if weights is not None:
        keywords["class_weight"] = _class_weight(weights, names)
        settings = _settings(keywords, vectors, init_from)
    _describe(data, corpus)
    parts = {split: _labelled(texts) for split, texts in corpus.items()}
    scores = None
    if folds is not None:
        own_split = validation is None and test is None
        everything, fixed = _texts_for_folds(data if own_split else None, parts)
        scores = _cross_validate(everything, names, settings, folds, results, resume, overwrite)
        if not final:
            return
        parts = {"train": everything, **fixed}
    artifact, interrupted = _train(data, parts, names, settings, checkpoint, resume)
    if scores is not None:
        artifact.training["cross_validation"] = scores
    if "test" in parts:
        artifact.metrics["test"] = _test(artifact, parts["test"], names)
    save_artifact(artifact, output, overwrite=overwrite_model)
    _report(artifact, output)
    if report and not interrupted:
        from textcnn.cli.report import after_training

        after_training(artifact, output, data, parts, settings)
    if interrupted:
        click.echo("they are saved; to go on with the run, call it again with --resume", err=True)
        sys.exit(INTERRUPTED)
    checkpoint.unlink(missing_ok=True)


def beside(output: Path, ending: str) -> Path:
    """A file of the run that stands beside the model's folder."""
    output = output.absolute()
    return output.with_name(output.name + ending)


def _texts_for_folds(data: str | None, parts: dict[str, Labelled]) -> tuple[Labelled, dict[str, Labelled]]:
    """The texts to cross-validate, and the fixed test, which is not among them.

    Of a corpus that its papers cross-validate all splits are taken; `data` names it, if its splits are its own.
    """
    from textcnn.data import corpus_names, describe
    from textcnn.training.pipeline import concatenate

    whole = data is not None and data in corpus_names() and describe(data).folds > 0
    fixed = {split: part for split, part in parts.items() if split == "test" and not whole}
    return concatenate([part for split, part in parts.items() if split not in fixed]), fixed


@contextmanager
def _folds_are_kept(results: Path) -> Iterator[None]:
    """Say where the folds done are, if Ctrl-C ends the run."""
    try:
        yield
    except KeyboardInterrupt:
        if results.exists():
            click.echo(f"the folds done are in {results}; to go on, call it again with --resume", err=True)
        raise


def _cross_validate(
    data: Labelled, names: list[str], settings: Settings, folds: int, results: Path, resume: bool, overwrite: bool
) -> dict[str, Any]:
    """Print each fold's scores as they come, then mean and standard deviation."""
    import numpy as np

    from textcnn.cli.display import make_progress
    from textcnn.training.cross_validation import cross_validate, summarize, unfinished

    if unfinished(results, folds) and not (resume or overwrite):
        raise DataError(f"{results}: folds of a run are there; go on with it (--resume) or begin anew (--overwrite)")
    with _folds_are_kept(results), make_progress() as progress:
        done = cross_validate(
            data,
            np.array(names),
            settings,
            folds=folds,
            results=results,
            resume=resume,
            progress=progress,
            on_fold=lambda fold: click.echo(
                f"fold {fold.number:>2} of {folds}  accuracy {fold.accuracy:.4f}  macro-F1 {fold.macro_f1:.4f}"
                f"  ({fold.examples:,} texts, epoch {fold.best_epoch})"
            ),
        )
    summary = summarize(done)
    for title, key in (("accuracy", "accuracy"), ("macro-F1", "macro_f1")):
        figures = summary[key]
        click.echo(f"{title:<10} mean {figures['mean']:.4f}  standard deviation {figures['standard_deviation']:.4f}")
    click.echo(f"saved      {results}")
    return summary


def _settings(keywords: dict[str, Any], vectors: Path | None, init_from: Path | None) -> Settings:
    with _told_by_option():
        return make_settings(keywords, vectors=vectors, init_from=init_from)


@contextmanager
def _told_by_option() -> Iterator[None]:
    """A setting that is refused is told by its option."""
    try:
        yield
    except ConfigError as error:
        name, colon, reason = str(error).partition(":")
        flags = {row.field: row.flag for row in OPTIONS}
        raise ConfigError(f"{flags.get(name, name)}{colon}{reason}") from None


def _train(
    data: str, parts: dict[str, Labelled], names: list[str], settings: Settings, checkpoint: Path, resume: bool
) -> tuple[Artifact, bool]:
    import numpy as np

    from textcnn.cli.display import make_progress
    from textcnn.training.pipeline import train_model

    with make_progress() as progress:
        artifact, history = train_model(
            parts["train"],
            np.array(names),
            settings,
            validation=parts.get("validation"),
            progress=progress,
            checkpoint=checkpoint,
            resume=resume,
        )
    artifact.training["source"] = data
    return artifact, history.interrupted


def _labelled(split: datasets.Dataset) -> Labelled:
    from textcnn.training.pipeline import Labelled

    table = split.with_format("arrow")[:]
    groups = table["sentence"].to_numpy() if "sentence" in table.column_names else None
    return Labelled(table["text"], table["label"].to_numpy(), groups)


def _class_weight(value: str, names: list[str]) -> str | tuple[float, ...]:
    """`balanced`, or weights in the order of the classes from `name=weight,...`."""
    if value == "balanced":
        return value
    try:
        weights = {name: float(weight) for name, _, weight in (part.rpartition("=") for part in value.split(","))}
    except ValueError:
        weights = {}
    if set(weights) != set(names):
        raise ConfigError(
            f"--class-weight: expected balanced, or a weight for each class such as "
            f"{','.join(f'{name}=1' for name in names)}, found {value!r}"
        )
    return tuple(weights[name] for name in names)


def _describe(data: str, corpus: datasets.DatasetDict) -> None:
    counts = ", ".join(f"{len(split):,} {name}" for name, split in corpus.items())
    names = label_names(corpus)
    click.echo(f"{data}: {counts}; {len(names)} classes ({', '.join(names)})", err=True)


def _test(artifact: Artifact, test: Labelled, names: list[str]) -> dict[str, Any]:
    from textcnn.inference.predictor import Predictor
    from textcnn.metrics import evaluate

    return evaluate(test.labels, Predictor(artifact).predict_proba(test.texts), names)


def _report(artifact: Artifact, output: Path) -> None:
    initial = artifact.training["initial"]
    if initial is not None:
        layers = "convolution and softmax" if initial["softmax"] else "convolution"
        click.echo(f"start       {layers}, {initial['words']:,} of {initial['of']:,} words")
    vectors = artifact.training["vectors"]
    if vectors is not None:
        click.echo(
            f"vectors     {vectors['found']:,} of {vectors['words']:,} words found, {vectors['unseen']:,} others kept"
        )
    for split in ("validation", "test"):
        figures = artifact.metrics.get(split)
        if figures is None:
            click.echo("test        no test texts; give some with --test, or see textcnn evaluate")
        else:
            click.echo(
                f"{split:<11} accuracy {figures['accuracy']:.4f}  macro-F1 {figures['macro_f1']:.4f}"
                f"  (majority class {figures['majority']:.4f})"
            )
    click.echo(f"saved       {output}")
