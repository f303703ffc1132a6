"""`textcnn data`: the named corpora, or what a corpus holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from textcnn.cli.common import GroupedCommand, corpus_options
from textcnn.cli.suggestions import Source
from textcnn.cli.terminal import TextLayout

_EXAMPLES = 3
_CLASSES = 50  # lines of classes at most
_MARGIN = 10


@click.command(cls=GroupedCommand)
@click.argument("source", required=False, type=Source())
@corpus_options
def command(
    source: str | None,
    reading: dict[str, Any],
) -> None:
    """List the named corpora, or describe SOURCE: a named corpus, a file or a folder.

    \b
    Examples:
      textcnn data
      textcnn data sample
      textcnn data reviews.csv
    """
    from textcnn.data import corpus_names, describe

    layout = TextLayout()
    if source is None:
        for name in corpus_names():
            corpus = describe(name)
            summary = f"{corpus.title}: {len(corpus.classes)} classes, {_counts(corpus.counts)}"
            layout.show(layout.paragraph(name, summary, _MARGIN))
        note = "Describe one with textcnn data NAME. All but sample need --data-dir or --hub."
        layout.show(["", *layout.wrapped(layout.text(note))])
        return
    if source in corpus_names():
        _describe_named(source, layout)
        if source != "sample" and reading["data_dir"] is None and not reading["hub"]:
            return
    _describe_texts(source, reading, layout)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {split}" for split, count in counts.items())


def _describe_named(name: str, layout: TextLayout) -> None:
    from textcnn.data import describe

    corpus = describe(name)
    rows = [
        ("name", f"{name}: {corpus.title}"),
        ("origin", corpus.origin),
        ("terms", corpus.terms),
        ("protocol", corpus.protocol),
        ("classes", ", ".join(corpus.classes)),
        ("texts", _counts(corpus.counts)),
        ("files", ", ".join(corpus.files.values()) or "built in"),
    ]
    if corpus.hub is not None:
        differs = f"; {corpus.hub.differs}" if corpus.hub.differs else ""
        rows.append(("hub", f"{corpus.hub.repository} at {corpus.hub.revision}{differs}"))
    for title, value in rows:
        layout.show(layout.paragraph(title, value, _MARGIN))


def _describe_texts(source: str, reading: dict[str, Any], layout: TextLayout) -> None:
    import pyarrow.compute as pc

    from textcnn.data import load_tables
    from textcnn.settings.config import TextConfig
    from textcnn.text.tokenizer import Tokenizer
    from textcnn.text.tokens import text_lengths
    from textcnn.text.vocabulary import count_words

    corpus = load_tables(source, **reading)
    names = corpus.classes
    shown = [*enumerate(names)][:_CLASSES]
    tokenizer = Tokenizer(TextConfig())
    for split, table in corpus.tables.items():
        chunks = list(tokenizer.columns(table["text"]))
        lengths = sorted(text_lengths(chunks).tolist())
        words, _ = count_words(chunks)
        counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(table["label"]).to_pylist()}
        summary = f"{split}: {len(lengths):,} texts, {sum(lengths):,} tokens, {len(words):,} distinct"
        details = [
            f"tokens per text: {lengths[0]} to {lengths[-1]:,}, median {lengths[len(lengths) // 2]}, "
            f"90% up to {lengths[int(len(lengths) * 0.9)]}",
            *(f"{name}: {counts.get(i, 0):,} ({counts.get(i, 0) / len(lengths):.1%})" for i, name in shown),
        ]
        if len(names) > len(shown):
            details.append(f"and {len(names) - len(shown):,} more")
        layout.show(["", *layout.wrapped(layout.text(summary))])
        for line in details:
            layout.show(layout.wrapped(layout.text(line), 2))
    first = next(iter(corpus.tables.values()))
    layout.show(["", "examples:"])
    for row in first.slice(0, _EXAMPLES).to_pylist():
        layout.show([layout.shortened(f"{names[row['label']]}: {row['text']}", 2)])
