"""`textcnn distill`: a student of a teacher's answers, or of models trained on the labels themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from textcnn.cli.common import FORM, GroupedCommand, option
from textcnn.cli.suggestions import Source
from textcnn.cli.train import describe_parts, end_run
from textcnn.cli.training_options import (
    corpus_and_split_options,
    destination_options,
    flags_in_errors,
    init_from_option,
    settings_options,
    vectors_options,
)
from textcnn.errors import ConfigError
from textcnn.settings.options import make_settings, ordered_class_weights

_BASIC = (
    *("output", "overwrite", "text_column", "label_column", "validation", "test", "vectors"),
    *("teacher", "unlabelled", "max_texts", "keep", "balance", "answers", "members", "rounds"),
    *("resume", "gold_weight", "teacher_temperature", "max_epochs", "learning_rate", "random_state"),
)


@click.command(cls=GroupedCommand, basic=_BASIC)
@click.argument("data", type=Source())
@option(
    "--teacher",
    multiple=True,
    metavar="TEACHER",
    group="Teacher",
    help="Folder of a saved model or of a transformer, its name on the Hugging Face hub, or module:function; "
    "repeatable: the mean of several [models trained on DATA].",
)
@option(
    "--unlabelled",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    group="Teacher",
    aliases=("unlabeled",),
    help="File, or pattern of files, of texts for the teacher to answer; repeatable.",
)
@option(
    "--max-texts", type=click.IntRange(min=1), metavar="N", group="Teacher", help="Read at most N unlabelled texts."
)
@option(
    "--keep",
    type=click.FloatRange(min=0, min_open=True, max=1),
    default=1.0,
    metavar="SHARE",
    show_default=True,
    group="Teacher",
    help="Learn from this share of the unlabelled texts of each class, those that the teacher is most certain of.",
)
@option("--balance", is_flag=True, group="Teacher", help="Learn from as many unlabelled texts of each class.")
@option(
    "--answers",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    group="Teacher",
    help="Folder of the teacher's answers, which are reused [MODEL.answers].",
)
@option(
    "--members", type=click.IntRange(min=1), default=3, metavar="N", show_default=True, group="Teacher",
    help="Without a teacher: average N models trained on DATA.",
)  # fmt: skip
@option(
    "--rounds", type=click.IntRange(min=1), default=3, metavar="N", show_default=True, group="Teacher",
    help="Without a teacher: train at most N students, one after the other, each of which helps to teach the next.",
)  # fmt: skip
@option("--resume", is_flag=True, group="Training", help="Resume a run that was stopped.")
@destination_options
@corpus_and_split_options
@vectors_options
@init_from_option
@settings_options
def command(
    data: str,
    teacher: tuple[str, ...],
    unlabelled: tuple[str, ...],
    max_texts: int | None,
    keep: float,
    balance: bool,
    answers: Path | None,
    members: int,
    rounds: int,
    resume: bool,
    output: Path,
    overwrite: bool,
    report: bool,
    reading: dict[str, Any],
    word_vectors: dict[str, Any],
    init_from: Path | None,
    **keywords: Any,
) -> None:
    """Train a student on DATA and on a teacher's answers to unlabelled texts.

    The teacher answers DATA's training texts and the unlabelled ones: the student
    learns its probabilities, averaged with the labels where there are such. The
    answers stay in MODEL.answers, and another run with the same teacher and texts
    takes them from there. On validation and test texts both are compared. Without a
    teacher, models trained on DATA teach first, then students of theirs. DATA is as
    for `textcnn train`.

    \b
    Examples:
      textcnn distill reviews.csv --teacher big --unlabelled more.txt -o small
      textcnn distill reviews.csv --teacher one --teacher two --teacher three
      textcnn distill reviews.csv --teacher labels:ask --unlabelled "more/*.csv"
      textcnn distill reviews.csv --unlabelled more.txt
    """
    from textcnn.cli.display import make_progress, say
    from textcnn.data import check_source, load_tables
    from textcnn.data.unlabelled import read_unlabelled
    from textcnn.distillation.distilling import AnswerChoice, as_texts, distill
    from textcnn.distillation.self_training import self_train
    from textcnn.run import Destination, check_start
    from textcnn.vectors import check_vectors

    check_source(data, hub=reading["hub"], files=(reading["validation"], reading["test"], *unlabelled))
    if answers is not None and not teacher:
        raise ConfigError("--answers: expected a teacher beside it, found none; give one (--teacher)")
    if not teacher and not unlabelled:
        raise ConfigError("expected a teacher or unlabelled texts, found neither; give one (--teacher, --unlabelled)")
    weights = keywords.pop("class_weight")
    with flags_in_errors():
        settings = make_settings(keywords, init_from=init_from, **word_vectors)
        check_start(settings)
    if word_vectors["vectors"] is not None:
        check_vectors(word_vectors["vectors"])
    Destination(output).check(overwrite=overwrite or resume, resume=resume)
    corpus = load_tables(data, **reading)
    with flags_in_errors():
        training = dataclasses.replace(settings.training, class_weight=ordered_class_weights(weights, corpus.classes))
    form = {name: reading[name] for name in FORM}
    texts = as_texts(read_unlabelled(unlabelled, reading["text_column"], most=max_texts, **form))
    describe_parts(data, corpus.classes, corpus.parts())
    say(f"{len(texts):,} unlabelled texts")
    common: dict[str, Any] = {
        "unlabelled": texts,
        "settings": dataclasses.replace(settings, training=training),
        "choice": AnswerChoice(keep, balance),
        "source": data,
        "overwrite": overwrite,
        "resume": resume,
        "report": report,
    }
    with _work_is_kept(), make_progress() as progress:
        if teacher:
            run = distill(corpus, output, teacher=teacher, answers=answers, progress=progress, **common)
        else:

            def show(name: str, key: str, score: float) -> None:
                progress.display.say(f"{name}: validation {key} {score:.4f}")

            run = self_train(corpus, output, members=members, rounds=rounds, progress=progress, on_model=show, **common)
    end_run(run, output)


@contextmanager
def _work_is_kept() -> Iterator[None]:
    """Say how to go on, if Ctrl-C ends the run."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("what is finished is kept; call the command again with --resume to continue", err=True)
        raise
