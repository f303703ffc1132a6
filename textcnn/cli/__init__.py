"""The command line: one module per command, imported when it is called."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path

import click

from textcnn.errors import (
    LONGEST,
    ConfigError,
    TextCNNError,
    is_of_memory,
    nearest_names,
    one_line,
    quoted,
    shortened,
)
from textcnn.training.group import ONE_PROCESS, TrainingGroup, is_launched
from textcnn.version import __version__

INTERRUPTED = 130  # exit code of a program ended by Ctrl-C

_COMMANDS = {
    "train": "Train a classifier, evaluate and save it.",
    "distill": "Train a small model on a large one's answers to unlabelled texts.",
    "tune": "Search for settings within a budget of time, and save the best model.",
    "predict": "Label texts.",
    "explain": "Explain the labels that a model gives texts.",
    "serve": "Answer requests over HTTP with a model.",
    "filters": "Show what a model's filters respond to.",
    "graph": "Draw the feature graph of a DCNN over a sentence.",
    "report": "Write an HTML report on a saved model.",
    "evaluate": "Score a saved model on labelled texts.",
    "compress": "Save a model as a smaller one.",
    "export": "Write a saved model as an ONNX file.",
    "compare": "Compare two saved models on labelled texts.",
    "audit": "Find what is wrong with a corpus.",
    "suggest": "Choose the texts to label next.",
    "data": "List the named corpora, or describe a corpus.",
    "vectors": "Train word vectors on texts, or make, join or describe files of them.",
}
_PACKAGES = {
    "datasets": "datasets",
    "gensim": "gensim",
    "huggingface_hub": "datasets",
    "jinja2": "jinja2",
    "markupsafe": "jinja2",
    "matplotlib": "matplotlib",
    "numpy": "numpy",
    "pyarrow": "pyarrow",
    "rich": "rich",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "yaml": "pyyaml",
}
"""What to install for a module that is not there: each command needs only some of the libraries."""
_ALIASES = {
    "fit": "train",
    "learn": "train",
    "classify": "predict",
    "label": "predict",
    "test": "evaluate",
    "server": "serve",
}


class _Commands(click.Group):
    """Imports a command when it is called, so that help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return import_module(f"textcnn.cli.{name}").command if name in _COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = nearest_names(name, _COMMANDS) or f"; expected {', '.join(_COMMANDS)}"
            near = f"; nearest: {_ALIASES[name]}" if name in _ALIASES else near
            raise click.UsageError(f"No such command {quoted(name)}{near}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _show_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from textcnn.kernels import compiled

        click.echo(f"textcnn {__version__} ({'compiled' if compiled else 'without compiled loops'})")
        ctx.exit()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version, and whether the inner loops are compiled, and exit.",
)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Train and run convolutional text classifiers.

    \b
    Try it on the built-in sample corpus:
      textcnn train
      textcnn predict "not bad at all"
    """
    if ctx.obj is not None and ctx.obj.size > 1 and ctx.invoked_subcommand not in (None, "train"):
        raise ConfigError(
            f"{ctx.invoked_subcommand}: expected one process, found {ctx.obj.size}; leave out torchrun, which is for "
            "textcnn train"
        )


def main() -> None:
    """Run the command line. A user's mistake ends it with one line and exit code 2."""
    _open_closed_streams()
    signal.signal(signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # not every terminal can show every character
    group = ONE_PROCESS
    try:
        if is_launched():
            _let_first_speak()
            from textcnn.training.distributed import join

            group = join()
        sys.exit(cli.main(prog_name="textcnn", standalone_mode=False, obj=group))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "textcnn"
        _fail(f"{error.format_message().rstrip('.')} (see {command} --help)", 2, group)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED, group)
    except TextCNNError as error:
        _fail(str(error), 2, group)
    except (MemoryError, RuntimeError, ImportError) as error:
        if isinstance(error, ModuleNotFoundError) and error.name in _PACKAGES:
            package = _PACKAGES[error.name]
            _fail(
                f"expected the library {package}, which is not installed; install it: pip install {package}", 2, group
            )
        if not is_of_memory(error):
            raise
        message = f"not enough memory ({one_line(error) or 'an allocation failed'}); give less at once, or free some"
        _fail(message, 1, group)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _fail(f"{name}{error.strerror or error}", 2, group)
    finally:
        group.leave()


def _open_closed_streams() -> None:
    """Put the null device where stdin, stdout or stderr is closed: files must not get their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = io.TextIOWrapper(_ClosedOutput(), write_through=True)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the end)


class _ClosedOutput(io.RawIOBase):
    """Refuses what is written, so that a result that goes nowhere is an error."""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        message = "expected an open standard output to write to, found it closed; open it, or give an output file"
        raise OSError(errno.EBADF, message)


def _terminate(number: int, frame: object) -> None:
    """End as Ctrl-C does, so that no temporary file is left."""
    raise SystemExit(128 + number)


def _let_first_speak() -> None:
    """Keep all of torchrun's processes silent but the first; an error of another is still shown (`_fail`)."""
    if os.environ["RANK"] != "0":
        sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the end)
        sys.excepthook = lambda *error: traceback.print_exception(*error, file=sys.__stderr__)


def _fail(message: str, code: int, group: TrainingGroup) -> None:
    from textcnn.cli.terminal import neutralize

    message = shortened(message, LONGEST)  # click's own can be longer
    if group.is_first_to_fail():
        stream = sys.stderr if group.leads else sys.__stderr__
        click.echo(f"Error: {neutralize(message, stream)}", file=stream)
    sys.exit(code)
