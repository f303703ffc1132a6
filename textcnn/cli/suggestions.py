"""What was probably meant: the nearest option, and what the shell completes after TAB."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from glob import escape, glob
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from textcnn.errors import quoted

if TYPE_CHECKING:
    from click import Context, Parameter

_ALIKE = 0.6  # least similarity of two names


def no_such_option(name: str, arguments: Sequence[str], parameters: Sequence[Parameter], ctx: Context) -> Exception:
    """Return the error for an unknown option, with those that may have been meant.

    Args:
        name: as click found it: of `-lr` only `-l`.
        arguments: all of the command's.
        parameters: of the command.
        ctx: of the command.
    """
    if len(name) == 2:
        name = next((argument for argument in arguments if argument.startswith(name)), name)
    known = {}
    for parameter in parameters:
        flags = [flag for flag in (*parameter.opts, *parameter.secondary_opts) if flag.startswith("--")]
        for flag in flags:
            known[flag[2:]] = flag
        for alias in getattr(parameter, "aliases", ()):
            known.setdefault(alias, flags[0])
    wanted = name.partition("=")[0].lstrip("-").replace("_", "-").lower()
    near = [wanted] if wanted in known else get_close_matches(wanted, known, cutoff=_ALIKE)
    found = f"; nearest: {', '.join(dict.fromkeys(known[one] for one in near))}" if near else ""
    return click.UsageError(f"No such option {quoted(name)}{found}", ctx)


class Source(click.ParamType):
    """The name of a corpus, or a file, folder or pattern; the shell completes the first two kinds of names."""

    name = "source"

    def shell_complete(self, ctx: Context, param: Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the corpora whose names begin so, unless a file does, which the shell completes itself."""
        from textcnn.data import corpus_names

        names = [name for name in corpus_names() if incomplete and name.startswith(incomplete)]
        if not names or glob(f"{escape(incomplete)}*"):  # noqa: PTH207
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in names]
