"""Training progress on stderr: live on a terminal, a line an epoch in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from rich.text import Text

from textcnn.training.progress import Epoch, History, Progress, describe_epoch


class LineProgress(Progress):
    """A line for each epoch, for logs."""

    def epoch(self, epoch: Epoch) -> None:
        """Print the epoch's figures."""
        click.echo(describe_epoch(epoch), err=True)

    def end(self, history: History) -> None:
        """Say which epoch's weights are kept."""
        click.echo(f"best epoch: {history.best_epoch} of {len(history.epochs)}", err=True)


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s", style="cyan")


class LiveProgress(LineProgress):
    """A bar over all epochs with the loss, the speed and the time left at most; a line for each epoch above it."""

    def __init__(self, bars: Bars) -> None:
        self.bars = bars
        self.task = bars.add_task("reading", total=None, loss="")
        self.texts = 0
        self.drawn = 0.0

    def stage(self, name: str, fraction: float) -> None:
        """Show a step before training."""
        self.bars.update(self.task, description=name, total=1, completed=fraction)

    def begin(self, *, texts: int, epochs: int) -> None:
        """Start the bar."""
        self.texts = texts
        self.bars.reset(self.task, total=texts * epochs, description="epoch 1", loss="")

    def batch(self, *, epoch: int, texts: int, loss: float) -> None:
        """Move the bar, ten times a second at most."""
        now = time.monotonic()
        if now - self.drawn > 0.1 or texts == self.texts:
            self.drawn = now
            done = (epoch - 1) * self.texts + texts
            self.bars.update(self.task, completed=done, description=f"epoch {epoch}", loss=f"loss {loss:.4f}")

    def epoch(self, epoch: Epoch) -> None:
        """Print the epoch's figures above the bar."""
        self.bars.console.print(describe_epoch(epoch), highlight=False)


@contextmanager
def make_progress() -> Iterator[Progress]:
    """Progress that fits stderr."""
    if not sys.stderr.isatty():
        yield LineProgress()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[loss]}"),
        _Speed(),
        TimeRemainingColumn(),
        TextColumn("left at most"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield LiveProgress(bars)


@contextmanager
def make_counter(what: str) -> Iterator[Callable[[int], None]]:
    """A running count on a terminal, silence elsewhere; the value is called with each further number."""
    if not sys.stderr.isatty():
        yield lambda number: None
        return
    columns = (TextColumn("{task.completed:,} " + what), _Speed())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("")
        yield lambda number: bars.advance(task, number)
