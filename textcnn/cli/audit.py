"""`textcnn audit`: what is wrong with a corpus, and what a person decided on that applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textcnn.cli.common import GroupedCommand, corpus_options, option, replacing
from textcnn.cli.suggestions import Source
from textcnn.errors import ConfigError, DataError
from textcnn.files import check_output

if TYPE_CHECKING:
    import numpy as np

    from textcnn.audit.auditing import Audit
    from textcnn.data.labelled import Labelled
    from textcnn.training.cross_validation import Fold

    Parts = tuple[dict[str, Labelled], list[str], dict[str, np.ndarray]]

PAGE = "audit.html"


@click.command(cls=GroupedCommand)
@click.argument("data", type=Source())
@corpus_options
@option("--test", type=click.Path(), metavar="FILE", group="Data", help="File of test texts.")
@option(
    "--folds",
    type=click.IntRange(min=2),
    default=5,
    metavar="K",
    show_default=True,
    group="Training",
    help="Label each training text by a model trained on the other folds.",
)
@option(
    "--vectors", type=click.Path(path_type=Path), metavar="FILE", group="Training", help="File of word vectors to use."
)
@option(
    "--seed", type=click.IntRange(min=0), default=0, metavar="N", show_default=True, group="Training",
    help="Seed of the folds and models.",
)  # fmt: skip
@option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Output",
    help=f"Page to write [{PAGE}]; with --apply, the CSV file of corrected texts.",
)
@option(
    "--csv",
    "table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    group="Output",
    help="Also write the findings as CSV, a row each, with an empty column drop.",
)
@option("--overwrite", is_flag=True, group="Output", help="Replace files that exist.")
@option(
    "--apply",
    "findings",
    type=click.Path(path_type=Path),
    metavar="FINDINGS",
    group="Corrections",
    help="Audit nothing: correct the texts as this edited file of findings says.",
)
@option(
    "--split",
    type=click.Choice(("train", "validation", "test")),
    default="train",
    show_default=True,
    group="Corrections",
    help="With --apply, the split to correct.",
)
def command(
    data: str,
    reading: dict[str, Any],
    test: str | None,
    folds: int,
    vectors: Path | None,
    seed: int,
    output: Path | None,
    table: Path | None,
    overwrite: bool,
    findings: Path | None,
    split: str,
) -> None:
    """Find what is wrong with DATA: a named corpus, a file or a folder of labelled texts.

    Found are labels that may be wrong, texts that are equal or nearly so but labelled
    differently, texts in two splits, empty and overlong texts, texts in another language
    or script, labels spelled in several ways, and small classes. The page says by which
    rule. Edit the file of findings: put an x into the column drop, or change the label,
    and apply it; texts without such a decision stay as they are.

    \b
    Examples:
      textcnn audit reviews.csv --csv findings.csv
      textcnn audit reviews.csv --apply findings.csv -o cleaned.csv
    """
    from textcnn.data import check_source

    check_source(data, hub=reading["hub"], files=(test,))
    if findings is not None:
        if output is None or table is not None:
            raise ConfigError("--apply: expected -o FILE for the corrected texts, and no --csv; name the file")
        check_output(output, overwrite=overwrite, error=DataError)
        _correct(_read(data, test, reading), findings, output, split, overwrite=overwrite)
        return
    output = output or Path(PAGE)
    if table is not None and table.absolute() == output.absolute():
        raise ConfigError(f"{table}: expected two files for the page and the findings, found one; rename one")
    for path in (output, *([] if table is None else [table])):
        check_output(path, overwrite=overwrite, error=DataError)
    found = _audit(data, _read(data, test, reading), folds, vectors, seed)
    _print(found)
    if table is not None:
        from textcnn.audit.corrections import findings_table
        from textcnn.cli.cells import write_csv

        with replacing(table, overwrite=overwrite) as file:
            write_csv(file, findings_table(found.findings))
        click.echo(f"findings   {table}")
    from textcnn.audit.audit_page import write_page

    write_page(found, output, source=data)
    click.echo(f"page       {output}")


def _read(data: str, test: str | None, reading: dict[str, Any]) -> Parts:
    """Return the texts of each split, the classes, and the numbers of the texts."""
    from textcnn.data import load_tables

    corpus = load_tables(data, test=test, row_numbers=True, **reading)
    return corpus.parts(), corpus.classes, {split: table["row"].to_numpy() for split, table in corpus.tables.items()}


def _audit(data: str, read: Parts, folds: int, vectors: Path | None, seed: int) -> Audit:
    from textcnn.audit.auditing import audit
    from textcnn.cli.display import make_progress
    from textcnn.cli.train import describe_parts
    from textcnn.settings.options import make_settings
    from textcnn.vectors import check_vectors

    if vectors is not None:
        check_vectors(vectors)
    parts, names, numbers = read
    describe_parts(data, names, parts)
    settings = make_settings({"random_state": seed}, vectors=vectors)

    def show(fold: Fold) -> None:
        progress.display.say(f"fold {fold.number} of {folds}  accuracy {fold.accuracy:.4f}")

    with make_progress() as progress:
        return audit(parts, names, settings, numbers=numbers, folds=folds, progress=progress, on_fold=show)


def _print(found: Audit) -> None:
    from textcnn.audit.finding import KINDS

    click.echo(f"agreement  {found.accuracy:>6.1%}  of the training labels are what models of the other folds predict")
    for kind, findings in found.by_kind().items():
        if findings:
            click.echo(f"{kind:<11}{len(findings):>6,}  {KINDS[kind][0]}")
    if not found.findings:
        click.echo("nothing found")


def _correct(read: Parts, findings: Path, output: Path, split: str, *, overwrite: bool) -> None:
    import pyarrow as pa

    from textcnn.audit.corrections import correct
    from textcnn.cli.cells import write_csv

    parts, names, numbers = read
    if split not in parts:
        raise DataError(f"expected the split {split}, found only {', '.join(parts)}; choose one of these (--split)")
    done = correct(parts[split], names, numbers[split], findings, split=split)
    with replacing(output, overwrite=overwrite) as file:
        write_csv(file, {"text": pa.array(done.texts, pa.string()), "label": pa.array(done.labels, pa.string())})
    click.echo(f"{done.dropped:,} dropped, {done.relabelled:,} relabelled, {len(done.texts):,} texts left")
    click.echo(f"saved      {output}")
