"""What several commands share: grouped help, corpus options, output files."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from textcnn.cli.suggestions import no_such_option
from textcnn.cli.terminal import TextLayout, neutralize
from textcnn.errors import ConfigError, DataError
from textcnn.files import check_output, written_whole
from textcnn.targets import SEVERAL_LABELS

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.text import Text

    from textcnn.data.labelled import LabelledTables
    from textcnn.model import Model

DEFAULT_MODEL = "textcnn-model"
SAMPLE = "sample"  # the built-in corpus
_ALL = "textcnn.help_all"  # of a context's `meta`: help shows all options

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class GroupedOption(click.Option):
    """An option that the help lists under a heading.

    Args:
        args: as of click's option.
        group: the heading.
        aliases: other names by which it is asked for, without dashes, for the error on an unknown option.
        kwargs: as of click's option.
    """

    def __init__(self, *args: Any, group: str = "Options", aliases: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group
        self.aliases = aliases


class GroupedCommand(click.Command):
    """A command whose help shows its options by group.

    Args:
        args: as of click's command.
        basic: parameters that `--help` shows where it leaves out others, which `--help-all` shows; none for all.
        kwargs: as of click's command.
    """

    def __init__(self, *args: Any, basic: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.basic = basic

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = super().get_params(ctx)
        return [*params, self._help_all()] if self.basic else params

    def _help_all(self) -> click.Option:
        def show(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
            if value and not ctx.resilient_parsing:
                ctx.meta[_ALL] = True
                click.echo(ctx.get_help(), color=ctx.color)
                ctx.exit()

        return click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=show,
            help="Show all options and exit.",
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = [*args]
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise no_such_option(error.option_name, given, self.get_params(ctx), ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        import pyarrow as pa

        # While pyarrow reads a CSV it handles SIGINT itself, and loses one that arrives as the reading ends.
        pa.enable_signal_handlers(False)
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            group = getattr(parameter, "group", "Other")
            if group != "Other" and self.basic and parameter.name not in self.basic and _ALL not in ctx.meta:
                continue
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                groups.setdefault(group, []).append(record)
        for name, records in groups.items():
            with formatter.section(name):
                formatter.write_dl(records)


def option(*names: str, group: str, **kwargs: Any) -> Callable[[Decorated], Decorated]:
    """Return a click option under a heading."""
    return click.option(*names, cls=GroupedOption, group=group, **kwargs)


def model_option(command: Decorated) -> Decorated:
    """Add `-m MODEL`."""
    return option(
        "-m",
        "--model",
        type=click.Path(),  # a string: "./user/name" is never on the hub
        default=DEFAULT_MODEL,
        metavar="MODEL",
        show_default=True,
        group="Model",
        help="Folder of a saved model, or user/name or user/name@revision on the Hugging Face hub.",
    )(command)


def collecting(keyword: str, options: dict[str, Callable[[Any], Any]]) -> Callable[..., Any]:
    """Return a decorator that adds options by name, whose values the command receives as one mapping."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def collected(*args: Any, **others: Any) -> Any:
            values = {name: others.pop(name) for name in options}
            return command(*args, **{keyword: values}, **others)

        decorated: Callable[..., Any] = collected
        for add in reversed(options.values()):
            decorated = add(decorated)
        return decorated

    return decorate


text_column_option = option(
    "--text-column",
    metavar="NAME",
    group="Data",
    help="Column of the texts [found by usual names]; several are joined: title,body.",
)

FORM: dict[str, Callable[[Any], Any]] = {
    "encoding": option(
        "--encoding", default="utf-8", metavar="NAME", show_default=True, group="Data", help="Encoding of text files."
    ),
    "delimiter": option(
        "--delimiter", metavar="CHAR", group="Data", help="Delimiter of CSV files, such as ; or tab [found by header]."
    ),
    "quoting": option(
        "--quoting",
        type=click.Choice(("auto", "none")),
        default="auto",
        show_default=True,
        group="Data",
        help="Quotes in CSV files: around fields (auto), or part of the text (none).",
    ),
    "header": option(
        "--header/--no-header",
        default=True,
        group="Data",
        help="Whether CSV files have a header [default: header]; if not, columns are named by number, from 1.",
    ),
}

form_options = collecting("reading", FORM)
"""Adds the options on how a file is written; the command receives them as `reading`, keywords of `read_batches`."""

CORPUS: dict[str, Callable[[Any], Any]] = {
    "data_dir": option(
        "--data-dir",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        group="Data",
        help="Folder of a named corpus's original files.",
    ),
    "hub": option("--hub", is_flag=True, group="Data", help="Fetch a named corpus from the Hugging Face hub."),
    "text_column": text_column_option,
    "label_column": option(
        "--label-column", metavar="NAME", group="Data", help="Column of the labels [found by usual names]."
    ),
    "label_columns": option(
        "--label-columns", metavar="NAMES", group="Data", help="Columns of 0 and 1, one for each label: a,b,c."
    ),
    "label_separator": option(
        "--label-separator", metavar="CHAR", group="Data", help="What stands between several labels of a text: ;"
    ),
    **FORM,
    "skip_missing": option(
        "--skip-missing", is_flag=True, group="Data", help="Leave out rows without a text or label."
    ),
}

corpus_options = collecting("reading", CORPUS)
"""Adds the options on how to read DATA; the command receives them as `reading`, keywords of `load_corpus`."""


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """Open a file that appears at `path` whole or not at all.

    Raises:
        DataError: the file exists and `overwrite` is False, or cannot be written.
    """
    check_output(path, overwrite=overwrite, error=DataError)
    with written_whole(path) as file:
        yield file


def labelled_split(corpus: LabelledTables, split: str, model: Model) -> tuple[pa.ChunkedArray, Any]:
    """Return the texts of a split of `scored_corpus`, and their labels in a form that the model's methods take."""
    part = corpus.part(split)
    return part.texts, part.labels if model.target is SEVERAL_LABELS else model.classes_[part.labels]


def output_form_option(command: Decorated) -> Decorated:
    """Add `--format`, for `textcnn.cli.writers.Writer`."""
    return option(
        "--format",
        "form",
        type=click.Choice(("text", "json", "csv", "parquet", "arrow")),
        group="Output",
        help="Form of the output [by the output's name, else csv for an input with columns, else text].",
    )(command)


def output_options(command: Decorated) -> Decorated:
    """Add `-o FILE`, the alternative to stdout, and `--overwrite`; for `write_out`."""
    command = option("--overwrite", is_flag=True, group="Output", help="Replace the output file if it exists.")(command)
    return option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        metavar="FILE",
        group="Output",
        help="File to write to [stdout].",
    )(command)


def write_out(content: str | list[Text], output: Path | None, *, overwrite: bool) -> None:
    """Print a document or the lines of a `TextLayout`, or write them to a file, without colours there.

    Raises:
        DataError: the file exists and `overwrite` is False, or cannot be written.
    """
    if output is not None:
        plain = content if isinstance(content, str) else "".join(f"{line.plain}\n" for line in content)
        with replacing(output, overwrite=overwrite) as file:
            file.write(plain.encode("utf-8", "surrogatepass"))
    elif isinstance(content, str):
        click.echo(neutralize(content), nl=False)
    else:
        TextLayout().show(content)


def data_or_sample(data: str | None, model: Model, path: str) -> str:
    """Return DATA, or the sample corpus where it is left out for a model that was trained on that.

    Raises:
        ConfigError: it is left out for another model.
    """
    if data is None and model.artifact.training.get("source") != SAMPLE:
        raise ConfigError(
            f"expected DATA, found none, and {path} was not trained on the sample; name texts such as FILE.csv"
        )
    return SAMPLE if data is None else data


def _warn_of_training_texts(data: str, split: str, models: Sequence[Model]) -> None:
    """Say on stderr that texts are scored which a model was trained on, as far as their name tells."""
    if split == "train" and any(data == model.artifact.training.get("source") for model in models):
        line = f"{data}: the model was trained on these texts: expect lower scores on new ones"
        click.echo(neutralize(line, sys.stderr), err=True)


def split_option(command: Decorated) -> Decorated:
    """Add `--split`, for `scored_corpus`."""
    return option(
        "--split",
        type=click.Choice(("train", "validation", "test")),
        group="Data",
        help="Split of DATA to score [test if there is one, else all].",
    )(command)


def scored_corpus(
    data: str, split: str | None, reading: Mapping[str, Any], *trained: Model
) -> tuple[LabelledTables, str, str]:
    """Return DATA with the ids of the first model's classes, the split to score, and its name for people.

    That a model was trained on these texts is said on stderr.

    Raises:
        DataError: DATA cannot be read, or has no such split.
    """
    from textcnn.data import load_tables

    several = trained[0].target is SEVERAL_LABELS
    corpus = load_tables(data, known_classes=[str(label) for label in trained[0].classes_], several=several, **reading)
    splits = corpus.tables
    split = split or ("test" if "test" in splits else "train")
    if split not in splits:
        raise DataError(f"{data}: expected the split {split}, found only {', '.join(splits)}; choose one of these")
    _warn_of_training_texts(data, split, trained)
    return corpus, split, split if len(splits) > 1 else "all"
