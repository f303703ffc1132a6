"""What is said of files of word vectors: those that were written, and those that are described."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from textcnn.cli.terminal import TextLayout

if TYPE_CHECKING:
    from pathlib import Path

    from textcnn.vectors.describe import Coverage, VectorsFile
    from textcnn.vectors.from_transformer import TransformerVectors
    from textcnn.vectors.join import JoinedVectors
    from textcnn.vectors.word2vec import TrainedVectors

_MARGIN = 12


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 100_000 else f"{size:,} bytes"


def show_trained(trained: TrainedVectors, min_count: int, seed: int) -> None:
    """Print what was trained."""
    rows = [
        ("words", f"{trained.words:,} that occur {_times(min_count)} or more, of {trained.distinct:,}"),
        ("dimension", f"{trained.dimension:,}"),
        ("texts", f"{trained.texts:,}, {trained.tokens:,} tokens"),
        ("time", f"{trained.seconds:.0f} s with {trained.workers} worker{'' if trained.workers == 1 else 's'}"),
        ("seed", f"{seed}" + (", not reproducible: use --workers 1 for that" if trained.workers > 1 else "")),
    ]
    _show_written(rows, trained.path, trained.size)


def show_transformed(made: TransformerVectors, min_count: int) -> None:
    """Print what was made of a transformer."""
    of_texts = f"{made.words - made.more_words:,} that occur {_times(min_count)} or more, of {made.distinct:,}"
    more = f", and {made.more_words:,} of --more-words" if made.more_words else ""
    unknown = f"; {made.unknown:,} left out, which the transformer does not know" if made.unknown else ""
    rows = [
        ("words", f"{of_texts}{more}{unknown}"),
        ("dimension", f"{made.dimension:,} of {made.hidden:,}, with {made.variance:.1%} of the variance"),
        ("texts", f"{made.texts:,}, {made.tokens:,} tokens"),
        ("time", f"{made.seconds:.0f} s"),
    ]
    _show_written(rows, made.path, made.size)


def show_joined(joined: JoinedVectors) -> None:
    """Print what was joined."""
    rows = [
        ("words", f"{joined.words:,}, of which all files have {joined.shared:,}"),
        ("dimension", f"{joined.dimension:,}"),
        *(
            ("part", f"{part.path}: {part.words:,} words x {part.dimension:,}, multiplied by {part.scale:.3g}")
            for part in joined.parts
        ),
        ("time", f"{joined.seconds:.0f} s"),
    ]
    _show_written(rows, joined.path, joined.size)


def _show_written(rows: Sequence[tuple[str, str]], path: Path, size: int) -> None:
    layout = TextLayout()
    for title, value in (*rows, ("size", _size(size))):
        layout.show(layout.paragraph(title, value, _MARGIN))
    click.echo(f"saved       {path}")  # a path stays on one line


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def show_file(found: VectorsFile, sources: Sequence[str], max_words: int | None) -> None:
    """Print what a file holds, and how much of the training texts of SOURCEs it covers, if any are given."""
    _print_file(found, max_words)
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
