"""Training progress on stderr: live on a terminal, a line an epoch in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars

from textcnn.training.progress import Epoch, History, Progress, describe_epoch, describe_score


class LineProgress(Progress):
    """A line for each epoch, for logs."""

    def epoch(self, epoch: Epoch) -> None:
        """Print the epoch's figures."""
        self.say(describe_epoch(epoch))

    def end(self, history: History) -> None:
        """Say which epoch's weights are kept."""
        self.say(f"best epoch: {history.best_epoch} of {len(history.epochs)}")

    def say(self, line: str) -> None:
        """Print a line."""
        click.echo(line, err=True)


class LiveProgress(LineProgress):
    """A bar over all epochs with the loss, the speed and the time left at most; a line for each epoch above it."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.task = bars.add_task("preparing", total=None, figures="")
        self.texts = 0
        self.epochs = 0
        self.begun = 0.0
        self.drawn = 0.0

    def stage(self, name: str, fraction: float) -> None:
        """Show a step before training."""
        self.bars.update(self.task, description=name, total=1, completed=fraction)

    def begin(self, *, texts: int, epochs: int) -> None:
        """Start the bar."""
        self.texts, self.epochs = texts, epochs
        self.begun, self.before, self.score = time.perf_counter(), -1, ""
        self.bars.reset(self.task, total=texts * epochs, description="epoch 1")

    def batch(self, *, epoch: int, texts: int, loss: float) -> None:
        """Move the bar, ten times a second at most."""
        now = time.perf_counter()
        if self.before < 0:  # a resumed run begins in a later epoch
            self.before = (epoch - 1) * self.texts
        if now - self.drawn > 0.1 or texts == self.texts:
            self.drawn = now
            done = (epoch - 1) * self.texts + texts
            speed = max(done - self.before, 1) / max(now - self.begun, 1e-6)
            minutes, seconds = divmod(round((self.texts * self.epochs - done) / speed), 60)
            figures = f"loss {loss:.4f}  {speed:,.0f}/s  {minutes}:{seconds:02} left at most{self.score}"
            self.bars.update(self.task, completed=done, description=f"epoch {epoch}", figures=figures)

    def epoch(self, epoch: Epoch) -> None:
        """Print the epoch's figures, and show its score on the bar."""
        self.score = f"  {describe_score(epoch)}"
        super().epoch(epoch)

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.bars.console.print(line, highlight=False)


@contextmanager
def make_progress() -> Iterator[Progress]:
    """Progress that fits stderr."""
    if not sys.stderr.isatty():
        yield LineProgress()
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TextColumn("{task.fields[figures]}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield LiveProgress(bars)


@contextmanager
def make_counter(what: str, output: IO[bytes]) -> Iterator[Callable[[int], None]]:
    """A running count on a terminal; the value is called with each further number.

    Silence elsewhere, and where `output` goes to the terminal itself.
    """
    if not sys.stderr.isatty() or output.isatty():
        yield lambda number: None
        return
    begun = time.perf_counter()
    done = 0
    with Bars(TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("")

        def advance(number: int) -> None:
            nonlocal done
            done += number
            bars.update(task, description=f"{done:,} {what}  {done / max(time.perf_counter() - begun, 1e-6):,.0f}/s")

        yield advance
