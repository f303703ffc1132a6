"""`textcnn vectors`: word vectors trained on texts, or a description of a file of them."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import GroupedCommand, corpus_options, option
from textcnn.errors import ConfigError
from textcnn.settings import config

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.vectors.describe import Coverage, VectorsFile
    from textcnn.vectors.word2vec import TrainedVectors

_WIDTH = 79


@click.command(cls=GroupedCommand)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", group="Output", help="File to write.")
@option("--overwrite", is_flag=True, group="Output", help="Replace a file that is there.")
@option(
    "--info",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Description",
    help="Describe this file instead, and its coverage of the SOURCEs.",
)
@option(
    "--near",
    multiple=True,
    metavar="WORD",
    group="Description",
    help="With --info: show this word's nearest neighbours; can be repeated [a few frequent words].",
)
@corpus_options
@option("--unsupervised", is_flag=True, group="Data", help="Add the unlabelled part of imdb.")
@option(
    "--tokenizer",
    type=click.Choice(config.TOKENIZERS),
    default="unicode",
    show_default=True,
    group="Text",
    help="Grammar of the tokens; use that of the model.",
)
@option(
    "--lowercase/--keep-case", default=True, show_default=True, group="Text", help="Lower-case the texts; likewise."
)
@option("--min-count", type=int, default=5, show_default=True, group="Text", help="Keep words that occur so often.")
@option("--dimension", type=int, default=300, show_default=True, group="Training", help="Numbers in a vector.")
@option("--epochs", type=int, default=5, show_default=True, group="Training", help="Passes over the texts.")
@option(
    "--window", type=int, default=5, show_default=True, group="Training", help="Words on each side that count as near."
)
@option(
    "--architecture",
    type=click.Choice(("cbow", "skip-gram")),
    default="cbow",
    show_default=True,
    group="Training",
    help="Predict a word from those around it, or those from it.",
)
@option("--seed", type=int, default=0, show_default=True, group="Training", help="Governs initial vectors and samples.")
@option(
    "--workers",
    type=int,
    group="Training",
    help="Threads [one a processor]; only a single one gives the same bits again.",
)
def command(
    sources: tuple[str, ...],
    output: Path | None,
    info: Path | None,
    near: tuple[str, ...],
    tokenizer: str,
    lowercase: bool,
    overwrite: bool,
    **keywords: Any,
) -> None:
    """Train word2vec vectors on the texts of SOURCEs, or describe a file of vectors.

    A SOURCE is a named corpus (see `textcnn data`), a file of texts (lines, CSV, TSV,
    JSON Lines or Parquet, gzip'ed or not) or a folder of train.* and other files.
    Labels are not needed. Of a corpus with splits only the training texts are read.

    \b
    Examples:
      textcnn vectors reviews.txt more.csv -o vectors.bin
      textcnn vectors imdb --unsupervised --data-dir data -o vectors.bin
      textcnn vectors --info vectors.bin reviews.csv --near good
    """
    data = {**keywords.pop("reading"), "unsupervised": keywords.pop("unsupervised")}
    _check(sources, output, info, near, unsupervised=data["unsupervised"])
    if info is not None:
        _describe(info, sources, near, data, {"tokenizer": tokenizer, "lowercase": lowercase})
        return
    from textcnn.vectors.word2vec import train_vectors

    with _progress(lines=True) as progress:
        trained = _with_flags(
            train_vectors,
            _texts(sources, **data),
            output,
            tokenizer=tokenizer,
            lowercase=lowercase,
            overwrite=overwrite,
            progress=progress,
            **keywords,
        )
    _report(trained, keywords["min_count"], keywords["seed"])


def _check(
    sources: Sequence[str], output: Path | None, info: Path | None, near: Sequence[str], *, unsupervised: bool
) -> None:
    """Refuse what contradicts itself, before anything is read."""
    if info is None and output is None:
        raise ConfigError("expected a file to write to (-o FILE) or to describe (--info FILE), found neither")
    if info is not None and output is not None:
        raise ConfigError("expected -o or --info, found both; leave one out")
    if near and info is None:
        raise ConfigError("--near: expected --info FILE beside it; neighbours are shown of a file that is there")
    if info is None and not sources:
        raise ConfigError("expected a SOURCE of texts, found none; name a corpus (see textcnn data) or files")
    if unsupervised and "imdb" not in sources:
        raise ConfigError("--unsupervised: expected imdb among the SOURCEs, found none; leave it out")
    treebanks = [source for source in sources if source in ("sst1", "sst2")]
    if "mr" in sources and treebanks:
        raise ConfigError(
            f"expected mr or {treebanks[0]}, found both: each has sentences of the other's test; leave one out"
        )


def _texts(
    sources: Sequence[str], *, unsupervised: bool, text_column: str | None, encoding: str, **options: Any
) -> Iterator[pa.ChunkedArray | pa.Array]:
    """The texts of all sources, column by column: training texts alone, and labels are left where they are."""
    from textcnn.data import corpus_names, load_corpus

    for source in sources:
        if source in corpus_names():
            corpus = load_corpus(
                source,
                text_column=text_column if len(sources) == 1 else None,  # of the files beside it
                phrases=False,  # they would only repeat pieces of their sentences
                unsupervised=unsupervised and source == "imdb",
                **options,
            )
        elif Path(source).is_file():
            yield from _texts_of_file(Path(source), text_column, encoding)
            continue
        else:
            corpus = load_corpus(source, text_column=text_column, encoding=encoding, **options)
        for split in ("train", "unsupervised"):
            if split in corpus:
                yield corpus[split].with_format("arrow")[:]["text"]


def _texts_of_file(path: Path, text_column: str | None, encoding: str) -> Iterator[pa.Array]:
    from textcnn.data.local_files import pick_columns, read_batches, texts_of

    row = 1
    for batch in read_batches(path, encoding=encoding):
        name, _ = pick_columns(batch.schema.names, text_column, None, path=path, need_label=False)
        yield texts_of(batch.column(name), path=path, first_row=row, missing_as_empty=True)
        row += len(batch)


def _with_flags(function: Callable[..., TrainedVectors], *arguments: object, **keywords: Any) -> TrainedVectors:
    """Call a function; a value out of range is told by its option."""
    try:
        return function(*arguments, **keywords)
    except ConfigError as error:
        name, colon, reason = str(error).partition(":")
        flag = f"--{name.replace('_', '-')}" if name in keywords else name
        raise ConfigError(f"{flag}{colon}{reason}") from None


@contextmanager
def _progress(*, lines: bool) -> Iterator[Callable[[str, float], None]]:
    """Shows a step and the share that is done: a bar on a terminal; elsewhere a line a step, if asked."""
    if not sys.stderr.isatty():
        yield _Lines().show if lines else lambda step, share: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("gone,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("reading texts", total=1)
        yield lambda step, share: bars.update(task, description=step, completed=share)


class _Lines:
    """A line for each new step, with the time gone."""

    def __init__(self) -> None:
        self.begin = time.monotonic()
        self.step = ""

    def show(self, step: str, share: float) -> None:
        if step != self.step:
            self.step = step
            click.echo(f"{step} ({time.monotonic() - self.begin:.0f} s)", err=True)


def _report(trained: TrainedVectors, min_count: int, seed: int) -> None:
    rows = [
        ("words", f"{trained.words:,} that occur {min_count:,} times or more, of {trained.distinct:,}"),
        ("dimension", f"{trained.dimension:,}"),
        ("texts", f"{trained.texts:,}, {trained.tokens:,} tokens"),
        ("time", f"{trained.seconds:.0f} s with {trained.workers} worker{'' if trained.workers == 1 else 's'}"),
        ("seed", f"{seed}" + (": not the same bits again; --workers 1 gives them" if trained.workers > 1 else "")),
        ("size", _size(trained.size)),
        ("saved", str(trained.path)),
    ]
    for title, value in rows:
        click.echo(f"{title:<11} {value}")


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def _describe(
    path: Path, sources: Sequence[str], near: Sequence[str], data: dict[str, Any], text: dict[str, Any]
) -> None:
    from textcnn.text.tokenizer import Tokenizer
    from textcnn.vectors.describe import describe_vectors

    with _progress(lines=False) as progress:
        found = describe_vectors(
            path,
            _texts(sources, **data) if sources else None,
            tokenizer=Tokenizer(config.TextConfig(**text)),
            near=near,
            progress=lambda share: progress("reading vectors", share),
        )
    _print_file(found)
    if found.coverage is not None:
        _print_coverage(found.coverage, ", ".join(sources))


def _print_file(found: VectorsFile) -> None:
    rows = [
        ("file", f"{found.path}, {_size(found.size)}"),
        ("format", found.format),
        ("words", f"{found.words:,}"),
        ("dimension", f"{found.dimension:,}"),
    ]
    for title, value in rows:
        click.echo(f"{title:<11} {value}")
    if found.neighbours:
        click.echo(f"\nnearest of the first {found.candidates:,} words, and the cosines")
    for word, neighbours in found.neighbours.items():
        text = "not in the file"
        if neighbours is not None:
            text = ", ".join(f"{other} {cosine:.2f}" for other, cosine in neighbours)
        _echo(f"  {word}: {text}")


def _print_coverage(coverage: Coverage, sources: str) -> None:
    click.echo(f"\ncoverage of {sources} (training texts)")
    for title, found, total in (
        ("distinct", coverage.found, coverage.words),
        ("tokens", coverage.tokens_found, coverage.tokens),
    ):
        click.echo(f"  {title:<9} {found:,} of {total:,} ({found / max(total, 1):.1%})")
    missing = ", ".join(f"{word if word.isalnum() else repr(word)} {count:,}" for word, count in coverage.missing)
    _echo(f"  missing   {missing or 'none'}")


def _echo(text: str) -> None:
    click.echo(textwrap.fill(text, width=_WIDTH, subsequent_indent=" " * 12, break_on_hyphens=False))
