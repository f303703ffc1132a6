"""The command line: one file a command, imported when it is called."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from textcnn.errors import TextCNNError

INTERRUPTED = 130  # the shell's code for a program ended by Ctrl-C

_COMMANDS = {
    "train": "Train a classifier, evaluate and save it.",
    "predict": "Label texts.",
    "evaluate": "Score a saved model on labelled texts.",
    "data": "List the named corpora, or describe a corpus.",
}


class _Commands(click.Group):
    """Knows the commands' names and imports one when it is called, so that help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        return import_module(f"textcnn.cli.{name}").command if name in _COMMANDS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="textcnn", message="textcnn %(version)s")
def cli() -> None:
    """Train, run and explain convolutional text classifiers.

    \b
    Try it on the built-in sample corpus:
      textcnn train
      textcnn predict "not bad at all"
    """


def main() -> None:
    """Run the command line. The user's mistakes are one line and exit code 2."""
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", INTERRUPTED)
    except TextCNNError as error:
        _fail(str(error), 2)
    except BrokenPipeError:
        # The reader of our output has gone (`| head`): end quietly, and keep Python from complaining at exit.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _fail(f"{name}{error.strerror or error}", 2)


def _fail(message: str, code: int) -> None:
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)
