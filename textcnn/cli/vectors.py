"""`textcnn vectors`: train word vectors on texts, or describe a file of word vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from textcnn.cli.common import GroupedCommand, corpus_options, option
from textcnn.cli.display import make_display
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import TextLayout
from textcnn.errors import ConfigError
from textcnn.settings import config

if TYPE_CHECKING:
    import pyarrow as pa

    from textcnn.vectors.describe import Coverage, VectorsFile
    from textcnn.vectors.word2vec import TrainedVectors

_MARGIN = 12

_Result = TypeVar("_Result")


@click.command(cls=GroupedCommand)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=Source())
@option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", group="Output", help="File to write.")
@option("--overwrite", is_flag=True, group="Output", help="Replace an existing file.")
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
    help="With --info: show the nearest neighbours of WORD; repeatable [a few frequent words].",
)
@option(
    "--max-words",
    type=int,
    metavar="N",
    group="Description",
    help="With --info: read only the first N words of the file.",
)
@option(
    "--trust-pickle",
    is_flag=True,
    group="Description",
    help="With --info: let gensim load a .kv file, a pickle, which can run any code.",
)
@corpus_options
@option("--unsupervised", is_flag=True, group="Data", help="Add the unlabelled texts of imdb.")
@option(
    "--tokenizer",
    type=click.Choice(config.TOKENIZERS),
    default="unicode",
    show_default=True,
    group="Text",
    help="Tokenizer of the texts; use that of the model.",
)
@option(
    "--lowercase/--keep-case",
    default=True,
    show_default=True,
    group="Text",
    help="Lower-case the texts; use the model's choice.",
)
@option(
    "--min-count",
    type=int,
    default=5,
    metavar="N",
    show_default=True,
    group="Text",
    help="Drop words that occur fewer than N times.",
)
@option("--dimension", type=int, default=300, show_default=True, group="Training", help="Length of a vector.")
@option("--epochs", type=int, default=5, show_default=True, group="Training", help="Passes over the texts.")
@option("--window", type=int, default=5, show_default=True, group="Training", help="Context size: words on each side.")
@option(
    "--architecture",
    type=click.Choice(("cbow", "skip-gram")),
    default="cbow",
    show_default=True,
    group="Training",
    help="Predict a word from its context (cbow) or the context from the word.",
)
@option("--seed", type=int, default=0, show_default=True, group="Training", help="Seed of initial vectors and samples.")
@option(
    "--workers",
    type=int,
    group="Training",
    help="Number of threads [one per processor]; only one is reproducible.",
)
def command(
    sources: tuple[str, ...],
    output: Path | None,
    info: Path | None,
    near: tuple[str, ...],
    max_words: int | None,
    trust_pickle: bool,
    tokenizer: str,
    lowercase: bool,
    overwrite: bool,
    **keywords: Any,
) -> None:
    """Train word2vec vectors on the texts of SOURCEs, or describe a file of word vectors.

    A SOURCE is a named corpus (see `textcnn data`), a file of texts (lines, CSV, TSV,
    JSON Lines or Parquet, optionally gzipped) or a folder of train.* and other files.
    Labels are not needed. Only the training texts of a corpus with splits are read.

    \b
    Examples:
      textcnn vectors reviews.txt more.csv -o vectors.bin
      textcnn vectors imdb --unsupervised --data-dir data -o vectors.bin
      textcnn vectors --info vectors.bin reviews.csv --near good
    """
    data = {**keywords.pop("reading"), "unsupervised": keywords.pop("unsupervised")}
    described = {"near": near, "max_words": max_words, "trust_pickle": trust_pickle}
    _check(sources, output, info, described, unsupervised=data["unsupervised"])
    if info is not None:
        _describe(info, sources, data, {"tokenizer": tokenizer, "lowercase": lowercase}, described)
        return
    from textcnn.data import check_source
    from textcnn.vectors.word2vec import train_vectors

    for source in sources:
        check_source(source, hub=data["hub"])
    with make_display(lines=True) as display:
        trained = _with_flags(
            train_vectors,
            _texts(sources, **data),
            output,
            tokenizer=tokenizer,
            lowercase=lowercase,
            overwrite=overwrite,
            progress=display.show,
            **keywords,
        )
    _report(trained, keywords["min_count"], keywords["seed"])


def _check(
    sources: Sequence[str], output: Path | None, info: Path | None, described: dict[str, Any], *, unsupervised: bool
) -> None:
    """Refuse contradictory options before anything is read."""
    if info is None and output is None:
        raise ConfigError("expected a file to write to (-o FILE) or to describe (--info FILE), found neither")
    if info is not None and output is not None:
        raise ConfigError("expected -o or --info, found both; leave one out")
    given = [name for name, value in described.items() if value not in (None, ()) and value is not False]
    if given and info is None:
        raise ConfigError(f"{_flag(given[0])}: expected --info FILE with it, found none; it describes an existing file")
    if info is None and not sources:
        raise ConfigError("expected a SOURCE of texts, found none; name a corpus (see textcnn data) or files")
    if unsupervised and "imdb" not in sources:
        raise ConfigError("--unsupervised: expected imdb among the SOURCEs, found none; leave it out")
    treebanks = [source for source in sources if source in ("sst1", "sst2")]
    if "mr" in sources and treebanks:
        raise ConfigError(
            f"expected mr or {treebanks[0]}, found both: each has sentences of the other's test split; leave one out"
        )


def _texts(sources: Sequence[str], *, unsupervised: bool, **reading: Any) -> Iterator[pa.ChunkedArray | pa.Array]:
    """Yield the training texts of all sources, column by column."""
    from textcnn.data import corpus_names, load_corpus

    for source in sources:
        if source in corpus_names():
            # Of several sources, the options on files are meant for the others.
            of_files = {} if len(sources) == 1 else {"text_column": None, "header": True}
            corpus = load_corpus(
                source,
                phrases=False,  # they only repeat parts of their sentences
                unsupervised=unsupervised and source == "imdb",
                **{**reading, **of_files},
            )
        elif Path(source).is_file():
            yield from _texts_of_file(Path(source), **reading)
            continue
        else:
            corpus = load_corpus(source, **reading)
        for split in ("train", "unsupervised"):
            if split in corpus:
                yield corpus[split].with_format("arrow")[:]["text"]


def _texts_of_file(
    path: Path, *, text_column: str | None, encoding: str, delimiter: str | None, quoting: str, header: bool, **_: Any
) -> Iterator[pa.Array]:
    import pyarrow.compute as pc

    from textcnn.data.local_files import read_batches
    from textcnn.data.table_columns import joined_texts, pick_columns

    row, names = 1, None
    for batch in read_batches(path, encoding=encoding, delimiter=delimiter, quoting=quoting, header=header):
        names = names or pick_columns(batch.schema.names, text_column, path=path, need_label=False).texts
        yield pc.fill_null(joined_texts(batch, names, path=path, first_row=row), "")
        row += len(batch)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _with_flags(function: Callable[..., _Result], *arguments: object, **keywords: Any) -> _Result:
    """Call a function; the error for a value out of range names the option instead of the keyword."""
    try:
        return function(*arguments, **keywords)
    except ConfigError as error:
        name, colon, reason = str(error).partition(":")
        raise ConfigError(f"{_flag(name) if name in keywords else name}{colon}{reason}") from None


def _report(trained: TrainedVectors, min_count: int, seed: int) -> None:
    times = "once" if min_count == 1 else f"{min_count:,} times"
    rows = [
        ("words", f"{trained.words:,} that occur {times} or more, of {trained.distinct:,}"),
        ("dimension", f"{trained.dimension:,}"),
        ("texts", f"{trained.texts:,}, {trained.tokens:,} tokens"),
        ("time", f"{trained.seconds:.0f} s with {trained.workers} worker{'' if trained.workers == 1 else 's'}"),
        ("seed", f"{seed}" + (", not reproducible: use --workers 1 for that" if trained.workers > 1 else "")),
        ("size", _size(trained.size)),
    ]
    layout = TextLayout()
    for title, value in rows:
        layout.show(layout.paragraph(title, value, _MARGIN))
    click.echo(f"saved       {trained.path}")  # a path stays on one line


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def _describe(
    path: Path, sources: Sequence[str], data: dict[str, Any], text: dict[str, Any], described: dict[str, Any]
) -> None:
    from textcnn.text.tokenizer import Tokenizer
    from textcnn.vectors.describe import describe_vectors

    with make_display(lines=False) as display:
        found = _with_flags(
            describe_vectors,
            path,
            _texts(sources, **data) if sources else None,
            tokenizer=Tokenizer(config.TextConfig(**text)),
            progress=lambda share: display.show("reading vectors", share),
            **described,
        )
    _print_file(found, described["max_words"])
    if found.coverage is not None:
        _print_coverage(found.coverage, ", ".join(sources))


def _print_file(found: VectorsFile, max_words: int | None) -> None:
    limited = found.words == max_words
    rows = [
        ("format", found.format),
        ("words", f"{found.words:,}" + (" (--max-words)" if limited else "")),
        ("dimension", f"{found.dimension:,}"),
        *([] if found.untrained is None else [("warning", found.untrained)]),
    ]
    click.echo(f"file        {found.path}, {_size(found.size)}")
    layout = TextLayout()
    for title, value in rows:
        layout.show(layout.paragraph(title, value, _MARGIN))
    if found.neighbours:
        head = f"nearest neighbours among the first {found.candidates:,} words, with cosines"
        layout.show(["", *layout.wrapped(layout.text(head))])
    for word, neighbours in found.neighbours.items():
        if neighbours is None:
            items = ["not in the words read" if limited else "not in the file"]
        elif word in found.zero_vectors:
            items = ["has a zero vector, so no neighbours"]
        else:
            items = _listed([f"{_shown(other)} {cosine:.2f}" for other, cosine in neighbours]) or ["no other word"]
        layout.show(layout.row(f"  {_shown(word)}: ", items, 4, " "))


def _print_coverage(coverage: Coverage, sources: str) -> None:
    layout = TextLayout()
    click.echo(f"\ncoverage of {sources} (training texts)")
    for title, found, total in (
        ("  distinct", coverage.found, coverage.words),
        ("  tokens", coverage.tokens_found, coverage.tokens),
    ):
        layout.show(layout.paragraph(title, f"{found:,} of {total:,} ({found / max(total, 1):.1%})", _MARGIN))
    missing = _listed([f"{_shown(word)} {count:,}" for word, count in coverage.missing])
    layout.show(layout.row("  missing", missing or ["none"], _MARGIN, " "))


def _listed(items: Sequence[str]) -> list[str]:
    """Return the items with a comma after each but the last."""
    return [f"{item}," for item in items[:-1]] + list(items[-1:])


def _shown(word: str) -> str:
    """Return a word quoted if it is all punctuation or could steer the terminal."""
    return word if word.isprintable() and any(map(str.isalnum, word)) else repr(word)
