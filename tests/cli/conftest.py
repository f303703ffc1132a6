from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from textcnn.cli import cli, main


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def textcnn(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs the command line in this process."""

    def run(*args: object, stdin: bytes | None = b"") -> Ended:
        if args[:1] == ("train",) and not {"--report", "--help"} & {*args}:
            args = (*args, "--no-report")  # which costs a second
        monkeypatch.setattr(sys, "argv", ["textcnn", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin)))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Ended(ended.value.code or 0, out, err)

    return run


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus: id, text, label."""
    path = tmp_path_factory.mktemp("corpus") / "reviews.csv"
    nouns = ("film", "meal", "hotel", "phone", "book", "song")
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "label"])
        for i in range(60):
            word, label = (("fine", "positive"), ("dull", "negative"))[i % 2]
            rows.writerow([f"{i:03}", f"What a {word} {nouns[i % 6]}, number {i}!", label])
    return path


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Options of a model that trains at once."""
    return ("--dimension", "8", "--feature-maps", "4", "--epochs", "2", "--device", "cpu")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, reviews: Path, tiny: tuple[str, ...]) -> Path:
    """A tiny model, trained on the small corpus."""
    path = tmp_path_factory.mktemp("models") / "model"
    ended = CliRunner().invoke(cli, ["train", str(reviews), "-o", str(path), *tiny], catch_exceptions=False)
    assert ended.exit_code == 0
    return path
