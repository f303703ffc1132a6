"""Which files `textcnn predict` reads and writes: one for all its input, or one in a folder for each."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from textcnn.cli.common import replacing
from textcnn.cli.terminal import safe_stream
from textcnn.data.local_files import FORMATS, format_of, has_columns
from textcnn.errors import ConfigError, DataError, listed, quoted
from textcnn.files import is_part, written_whole

_FORM_OF_SUFFIX = {
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".txt": "text",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
}
_SUFFIX = {"csv": ".csv", "json": ".jsonl", "text": ".txt", "parquet": ".parquet", "arrow": ".arrow"}
_FORM_OF_FORMAT = {"csv": "csv", "tsv": "csv", "jsonl": "json", "parquet": "parquet", "arrow": "arrow"}
_RECORD = ".textcnn-predict.json"  # in a folder: the model and options that its files are written with


@dataclass(frozen=True)
class Job:
    """Files that are read one after the other, and where their predictions go.

    Attributes:
        sources: the files.
        output: the file to write; None for stdout.
        form: of the output.
    """

    sources: Sequence[Path]
    output: Path | None
    form: str


def form_of(form: str | None, source: Path | None, output: Path | None) -> str:
    """Return the form to write: that which is given, or of the output's name, else CSV for columns, else text.

    Raises:
        ConfigError: the output's name has an unknown ending, or the form needs a file.
    """
    if form is None and output is not None and output.suffix:
        form = _FORM_OF_SUFFIX.get(output.suffix.lower())
        if form is None:
            raise ConfigError(
                f"{output}: expected a name that ends in {', '.join(_FORM_OF_SUFFIX)}; rename it or give --format"
            )
    if form is None:
        form = "csv" if source is not None and has_columns(source) else "text"
    if output is None and form in ("parquet", "arrow"):
        raise ConfigError(f"--format {form}: expected a file to write to, found stdout; name one with --output")
    return form


def target(output: Path | None, sources: Sequence[Path], *, overwrite: bool) -> AbstractContextManager[IO[bytes]]:
    """Return where to write: a file that appears whole, or stdout.

    Raises:
        DataError: the file exists, cannot be written, or is one of those that are read.
    """
    if output is None:
        return nullcontext(safe_stream(sys.stdout.buffer))
    _check_apart([output], sources)
    return replacing(output, overwrite=overwrite)


def _check_apart(outputs: Sequence[Path], sources: Sequence[Path]) -> None:
    """Raise DataError if a file to write is one of those that are read."""
    read = {(found.st_dev, found.st_ino) for found in (source.stat() for source in sources if source.exists())}
    for output in outputs:
        if output.exists() and (output.stat().st_dev, output.stat().st_ino) in read:
            raise DataError(f"{output}: expected a file other than the input; choose another --output")


class OutputFolder:
    """A folder with an output file for each input file.

    It holds the files of one run alone, with the same model and options, so that the run can go on after it was killed.

    Args:
        folder: where it is, or is to be.
        sources: the input files.
        form: of the output files; None for that of each input file, or else CSV where it has columns.

    Raises:
        DataError: two input files would be written to the same file, or one to an input file.
    """

    def __init__(self, folder: Path, sources: Sequence[Path], form: str | None) -> None:
        self._folder = folder
        self._jobs: dict[str, Job] = {}
        for source in sources:
            job = _job(folder, source, form)
            name = job.output.name if job.output is not None else ""
            if name in self._jobs:
                raise DataError(
                    f"expected input files of different names, found {self._jobs[name].sources[0]} and {source}, both "
                    f"for {job.output}; rename one"
                )
            self._jobs[name] = job
        _check_apart([folder / name for name in self._jobs], sources)

    @property
    def jobs(self) -> Sequence[Job]:
        """All that is to be done."""
        return list(self._jobs.values())

    def begin(self, settings: dict[str, Any], *, overwrite: bool, resume: bool) -> Sequence[Job]:
        """Create the folder, or check what it holds, and return what is left to be done.

        Args:
            settings: the model and options, as JSON.
            overwrite: remove the files of an earlier run.
            resume: leave out what is finished.

        Raises:
            DataError: it holds other files, or those of an earlier run that are neither to be replaced nor resumed, or
                that has other settings.
        """
        record, content = self._folder / _RECORD, json.dumps(settings)
        found = self._found()
        if found and not overwrite:
            if not resume:
                raise DataError(
                    f"{self._folder}: expected an empty folder, found {len(found):,} of {len(self._jobs):,} files "
                    "finished; choose another folder, go on (--resume) or replace them (--overwrite)"
                )
            before = json.loads(record.read_bytes())
            other = [name for name, value in json.loads(content).items() if before.get(name) != value]
            if other:
                raise DataError(
                    f"{self._folder}: expected to go on with the same model and options, found another {other[0]}; "
                    "give the same, or replace the files (--overwrite)"
                )
        if overwrite:  # before the record: what is there is of the settings that it holds
            for name in found:
                (self._folder / name).unlink()
            found = set()
        self._folder.mkdir(exist_ok=True)
        with written_whole(record) as file:
            file.write(content.encode())
        return [job for name, job in self._jobs.items() if name not in found]

    def _found(self) -> set[str]:
        """Return the names of the output files that are there."""
        if not self._folder.exists():
            if not self._folder.absolute().parent.is_dir():
                parent = self._folder.absolute().parent
                raise DataError(f"{self._folder}: expected the folder {parent} to exist; create it first")
            return set()
        if not self._folder.is_dir():
            raise DataError(f"{self._folder}: expected a folder, found a file; choose another name")
        names = sorted(path.name for path in self._folder.iterdir() if not is_part(path))
        others = [name for name in names if name != _RECORD and (name not in self._jobs or _RECORD not in names)]
        if others:
            raise DataError(
                f"{self._folder}: expected an empty folder, or one with the files of an earlier run alone, found "
                f"{listed([quoted(name) for name in others], 1)}; choose another"
            )
        return {*names} - {_RECORD}


def _job(folder: Path, source: Path, form: str | None) -> Job:
    name = source.name.removesuffix(".gz")
    suffix = Path(name).suffix
    if form is None:
        form = _FORM_OF_FORMAT.get(format_of(source)) or form_of(None, source, None)
    if _FORM_OF_SUFFIX.get(suffix.lower()) != form:
        suffix = _SUFFIX[form]
    stem = name.removesuffix(Path(name).suffix) if Path(name).suffix.lower() in FORMATS else name
    return Job([source], folder / f"{stem}{suffix}", form)
