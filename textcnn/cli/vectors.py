"""`textcnn vectors`: train word vectors on texts, take them from a transformer, join or describe files of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from textcnn.cli.common import CORPUS, FORM, GroupedCommand, corpus_options, option
from textcnn.cli.display import make_display
from textcnn.cli.suggestions import Source
from textcnn.cli.vector_files import show_file, show_joined, show_trained, show_transformed
from textcnn.errors import ConfigError
from textcnn.settings import config

if TYPE_CHECKING:
    import pyarrow as pa

_TASKS = {"info": "--info FILE", "join": "--join", "from_transformer": "--from-transformer MODEL"}
_MIN_COUNT = {"training": 5, "from_transformer": 1}  # by what is done
_READING = ("training", "from_transformer", "info")
# What is done, for each option that does not go with everything.
_MEANT_FOR = {
    "output": ("training", "from_transformer", "join"),
    "overwrite": ("training", "from_transformer", "join"),
    "near": ("info",),
    "max_words": ("info", "join"),
    "trust_pickle": ("info", "join"),
    **dict.fromkeys((*CORPUS, "unsupervised", "tokenizer", "lowercase"), _READING),
    **dict.fromkeys(("min_count", "dimension"), ("training", "from_transformer")),
    **dict.fromkeys(("epochs", "window", "architecture", "seed", "workers"), ("training",)),
    "more_words": ("from_transformer",),
}

_Result = TypeVar("_Result")


@click.command(cls=GroupedCommand)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=Source())
@option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", group="Output", help="File to write.")
@option("--overwrite", is_flag=True, group="Output", help="Replace an existing file.")
@option("--dimension", type=int, default=300, show_default=True, group="Output", help="Length of a vector.")
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
    help="With --info or --join: read only the first N words of a file.",
)
@option(
    "--trust-pickle",
    is_flag=True,
    group="Description",
    help="With --info or --join: let gensim load a .kv file, a pickle, which can run any code.",
)
@option(
    "--join",
    is_flag=True,
    group="Joining",
    help="Put the vectors of the SOURCEs, which are files of word vectors, side by side.",
)
@option(
    "--from-transformer",
    type=click.Path(),
    metavar="MODEL",
    group="Transformer",
    help="Take the vectors of the texts' words from this transformer: a folder, or a name on the Hugging Face hub.",
)
@option(
    "--more-words",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    group="Transformer",
    help="With --from-transformer: words beside those of the texts, one per line; repeatable.",
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
    metavar="N",
    group="Text",
    help="Drop words that occur fewer than N times [5; with --from-transformer 1].",
)
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
def command(sources: tuple[str, ...], output: Path | None, info: Path | None, **keywords: Any) -> None:
    """Train word vectors on the texts of SOURCEs, or make, join or describe files of them.

    A SOURCE is a named corpus (see `textcnn data`), a file of texts (lines, CSV, TSV,
    JSON Lines or Parquet, optionally gzipped) or a folder of train.* and other files.
    Labels are not needed. Only the training texts of a corpus with splits are read.
    With --join, the SOURCEs are files of word vectors.

    \b
    Examples:
      textcnn vectors reviews.txt more.csv -o vectors.bin
      textcnn vectors imdb --unsupervised --data-dir data -o vectors.bin
      textcnn vectors reviews.csv --from-transformer FOLDER -o vectors.bin
      textcnn vectors --join vectors.bin glove.txt -o joined.bin
      textcnn vectors --info vectors.bin reviews.csv --near good
    """
    task = _check(sources, output, info)
    if keywords["min_count"] is None:
        keywords["min_count"] = _MIN_COUNT.get(task)
    data = {**keywords["reading"], "unsupervised": keywords["unsupervised"]}
    if info is not None:
        _describe(info, sources, data, keywords)
    elif task == "join":
        _join(sources, output, keywords)
    elif task == "from_transformer":
        _transform(sources, output, data, keywords)
    else:
        _train(sources, output, data, keywords)


def _check(sources: Sequence[str], output: Path | None, info: Path | None) -> str:
    """Refuse contradictory options before anything is read, and return what is to be done."""
    context = click.get_current_context()
    given = {
        parameter.name: "/".join([parameter.opts[0], *parameter.secondary_opts])
        for parameter in context.command.params
        if context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    }
    tasks = [name for name in _TASKS if name in given]
    if len(tasks) > 1:
        raise ConfigError(f"expected {_flag(tasks[0])} or {_flag(tasks[1])}, found both; leave one out")
    task = tasks[0] if tasks else "training"
    if info is None and output is None:
        raise ConfigError("expected a file to write to (-o FILE) or to describe (--info FILE), found neither")
    for name, meant in _MEANT_FOR.items():
        if name in given and task not in meant:
            if tasks:
                raise ConfigError(f"expected {given[name]} or {_flag(task)}, found both; leave one out")
            flags = " or ".join(_TASKS[other] for other in meant)
            found = "none" if len(meant) == 1 else "neither"
            raise ConfigError(f"{given[name]}: expected {flags} with it, found {found}; leave it out, or add that")
    if task in _MIN_COUNT and not sources:
        raise ConfigError("expected a SOURCE of texts, found none; name a corpus (see textcnn data) or files")
    if "unsupervised" in given and "imdb" not in sources:
        raise ConfigError("--unsupervised: expected imdb among the SOURCEs, found none; leave it out")
    treebanks = [source for source in sources if source in ("sst1", "sst2")]
    if "mr" in sources and treebanks:
        raise ConfigError(
            f"expected mr or {treebanks[0]}, found both: each has sentences of the other's test split; leave one out"
        )
    return task


def _train(sources: Sequence[str], output: Path | None, data: dict[str, Any], keywords: dict[str, Any]) -> None:
    from textcnn.data import check_source
    from textcnn.vectors.word2vec import train_vectors

    names = ("tokenizer", "lowercase", "overwrite", "dimension", "min_count")
    for source in sources:
        check_source(source, hub=data["hub"])
    with make_display(lines=True) as display:
        trained = _with_flags(
            train_vectors,
            _texts(sources, **data),
            output,
            progress=display.show,
            **{name: keywords[name] for name in (*names, "epochs", "window", "architecture", "seed", "workers")},
        )
    show_trained(trained, keywords["min_count"], keywords["seed"])


def _transform(sources: Sequence[str], output: Path | None, data: dict[str, Any], keywords: dict[str, Any]) -> None:
    from textcnn.data import check_source
    from textcnn.vectors.from_transformer import transformer_vectors

    more = [str(path) for path in keywords["more_words"]]
    for source in (*sources, *more):
        check_source(source, hub=data["hub"])
    with make_display(lines=True) as display:
        made = _with_flags(
            transformer_vectors,
            _texts(sources, **data),
            keywords["from_transformer"],
            output,
            more_words=_texts(more, **{**data, "text_column": None, "unsupervised": False}),
            progress=display.show,
            **{name: keywords[name] for name in ("tokenizer", "lowercase", "overwrite", "dimension", "min_count")},
        )
    show_transformed(made, keywords["min_count"])


def _join(sources: Sequence[str], output: Path | None, keywords: dict[str, Any]) -> None:
    from textcnn.vectors.join import join_vectors

    with make_display(lines=True) as display:
        joined = _with_flags(
            join_vectors,
            sources,
            output,
            progress=display.show,
            **{name: keywords[name] for name in ("max_words", "trust_pickle", "overwrite")},
        )
    show_joined(joined)


def _texts(sources: Sequence[str], *, unsupervised: bool, **reading: Any) -> Iterator[pa.ChunkedArray | pa.Array]:
    """Yield the training texts of all sources, column by column."""
    from textcnn.data import corpus_names, load_tables
    from textcnn.data.local_files import read_batches
    from textcnn.data.unlabelled import texts_in

    for source in sources:
        if source in corpus_names():
            # Of several sources, the options on files are meant for the others.
            of_files = {} if len(sources) == 1 else {"text_column": None, "header": True}
            corpus = load_tables(
                source,
                phrases=False,  # they only repeat parts of their sentences
                unsupervised=unsupervised and source == "imdb",
                **{**reading, **of_files},
            )
        elif Path(source).is_file():
            form = {name: reading[name] for name in FORM}
            yield from texts_in(read_batches(source, **form), reading["text_column"], path=source)
            continue
        else:
            corpus = load_tables(source, **reading)
        for split in ("train", "unsupervised"):
            if split in corpus.tables:
                yield corpus.tables[split]["text"]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _with_flags(function: Callable[..., _Result], *arguments: object, **keywords: Any) -> _Result:
    """Call a function; the error for a value out of range names the option instead of the keyword."""
    try:
        return function(*arguments, **keywords)
    except ConfigError as error:
        name, colon, reason = str(error).partition(":")
        raise ConfigError(f"{_flag(name) if name in keywords else name}{colon}{reason}") from None


def _describe(path: Path, sources: Sequence[str], data: dict[str, Any], keywords: dict[str, Any]) -> None:
    from textcnn.text.tokenizer import Tokenizer
    from textcnn.vectors.describe import describe_vectors

    with make_display(lines=False) as display:
        found = _with_flags(
            describe_vectors,
            path,
            _texts(sources, **data) if sources else None,
            tokenizer=Tokenizer(config.TextConfig(tokenizer=keywords["tokenizer"], lowercase=keywords["lowercase"])),
            progress=lambda share: display.show("reading vectors", share),
            **{name: keywords[name] for name in ("near", "max_words", "trust_pickle")},
        )
    show_file(found, sources, keywords["max_words"])
