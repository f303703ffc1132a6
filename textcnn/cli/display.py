"""Progress on stderr: a bar on a terminal, lines in a log. rich draws the bar, and is imported for nothing else.

Where rich is not installed, a terminal is shown what a log is.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click

from textcnn.cli.terminal import neutralize
from textcnn.training.progress import Epoch, History, Progress, describe_epoch, describe_history, describe_score

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars


class Display:
    """Shows what runs and how far it is; this one shows nothing, and prints only what it is given to say."""

    def show(self, step: str, share: float | None = None, figures: str = "") -> None:
        """Show the current step.

        Args:
            step: its name.
            share: what is done, 0 to 1; None where that is not known.
            figures: shown after the bar [share, time elapsed and time left].
        """

    def announce(self, step: str) -> None:
        """Show a step of which no progress is known; in a log it is a line."""
        self.say(step)

    def say(self, line: str) -> None:
        """Print a line, on a terminal broken between its figures, which have two spaces between them."""
        say(line)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to what is printed on stdout."""
        yield


class StepLines(Display):
    """Prints a line per step, with the seconds elapsed."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._step = ""

    def show(self, step: str, share: float | None = None, figures: str = "") -> None:
        if step != self._step:
            self._step = step
            self.say(f"{step} ({time.monotonic() - self._begin:.0f} s)")


class StepBar(Display):
    """Draws a bar."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self._task = bars.add_task("preparing", total=None, figures="")
        self._begin = time.monotonic()
        self._step, self._since, self._before = "", self._begin, 0.0

    def show(self, step: str, share: float | None = None, figures: str = "") -> None:
        if step != self._step:
            self._step, self._since, self._before = step, time.monotonic(), share or 0.0
        self.bars.update(
            self._task,
            description=neutralize(step, sys.stderr),
            total=None if share is None else 1,
            completed=share or 0,
            figures=self._fitted(figures if figures or share is None else self._times(share), len(step)),
        )

    def announce(self, step: str) -> None:
        self.show(step)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        _print(line, self.bars.console)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.bars.stop()
        yield
        self.bars.start()

    def _fitted(self, figures: str, taken: int) -> str:
        """Leave out the last figures where there is no room for them."""
        room = self.bars.console.width - taken - _bar_width(self.bars.console) - 2
        while len(figures) > room and "  " in figures:
            figures = figures.rpartition("  ")[0]
        return figures

    def _times(self, share: float) -> str:
        now = time.monotonic()
        figures = f"{share:4.0%}  {clock(now - self._begin)} elapsed"
        if self._before < share < 1:
            figures += f", {clock((now - self._since) * (1 - share) / (share - self._before))} left"
        return figures


def say(line: str) -> None:
    """Print a line on stderr, on a terminal broken between its figures or else between words."""
    if (console := _console()) is None:
        click.echo(neutralize(line, sys.stderr), err=True)
    else:
        _print(line, console)


def _console() -> Console | None:
    """Return the terminal that stderr is; None where it is none, or rich is not installed."""
    if not sys.stderr.isatty():
        return None
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(stderr=True)


def _bar_width(console: Console) -> int:
    return 20 if console.width >= 80 else 8


def _print(line: str, console: Console) -> None:
    """Print a line on a terminal."""
    from rich.cells import cell_len

    rows: list[str] = []
    for figure in neutralize(line, sys.stderr).split("  "):
        if rows and cell_len(rows[-1]) + 2 + cell_len(figure) <= console.width:
            rows[-1] += f"  {figure}"
        else:
            rows.append(f"  {figure}" if rows else figure)
    for row in rows:
        console.print(row, markup=False, highlight=False, emoji=False)


@contextmanager
def make_display(*, lines: bool = False) -> Iterator[Display]:
    """Show progress in the way that fits stderr.

    Args:
        lines: print a line per step where stderr is no terminal.
    """
    if (console := _console()) is None:
        yield StepLines() if lines else Display()
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_bar_width(console)),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield StepBar(bars)


class ShownProgress(Progress):
    """Shows training: a bar over all epochs with the loss, the speed and the time left at most; a line per epoch."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self._texts = self._epochs = 0
        self._begin = self._drawn = 0.0
        self._before = -1  # texts that an interrupted run had trained on
        self._score = ""

    def stage(self, name: str, fraction: float | None) -> None:
        """Show a step before or after training."""
        if fraction is None:
            self.display.announce(name)
        else:
            self.display.show(name, fraction)

    def begin(self, *, texts: int, epochs: int) -> None:
        """Start the bar."""
        self._texts, self._epochs = texts, epochs
        self._begin, self._before, self._score = time.perf_counter(), -1, ""
        self.display.show("epoch 1", 0.0)

    def batch(self, *, epoch: int, texts: int, loss: float) -> None:
        """Move the bar, at most ten times a second."""
        now = time.perf_counter()
        if self._before < 0:  # a resumed run begins in a later epoch
            self._before = (epoch - 1) * self._texts
        if now - self._drawn > 0.1 or texts == self._texts:
            self._drawn = now
            done, total = (epoch - 1) * self._texts + texts, self._texts * self._epochs
            speed = max(done - self._before, 1) / max(now - self._begin, 1e-6)
            left = clock((total - done) / speed)
            figures = f"loss {loss:.4f}  {speed:,.0f}/s  {left} left at most{self._score}"
            self.display.show(f"epoch {epoch}", done / total, figures)

    def epoch(self, epoch: Epoch) -> None:
        """Print the epoch's figures, and show its score beside the bar."""
        self._score = f"  {describe_score(epoch)}"
        self.display.say(describe_epoch(epoch))

    def end(self, history: History) -> None:
        """Say which epoch's weights are kept."""
        self.display.say(describe_history(history))


@contextmanager
def make_progress() -> Iterator[ShownProgress]:
    """Show training."""
    with make_display() as display:
        yield ShownProgress(display)


@contextmanager
def make_counter(what: str, output: IO[bytes]) -> Iterator[Callable[[int], None]]:
    """Count on a terminal; the value is called with each further number.

    Nothing is shown where stderr is no terminal, or where `output` is one, whose lines show the progress.
    """
    if not sys.stderr.isatty() or output.isatty():
        yield lambda number: None
        return
    begin = time.perf_counter()
    done = 0
    with make_display() as display:

        def advance(number: int) -> None:
            nonlocal done
            done += number
            speed = done / max(time.perf_counter() - begin, 1e-6)
            display.show("predicting", None, f"{done:,} {what}  {speed:,.0f}/s")

        yield advance


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, such as 3:07."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
