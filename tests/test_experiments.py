"""The experiments: the tables in the READMEs are those of the committed results, and the index is complete."""

import importlib
import json
import re
from pathlib import Path

import pytest

from textcnn.settings.config import to_json
from textcnn.settings.options import make_settings
from textcnn.settings.presets import preset_keywords

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "experiments"
INDEX = FOLDER / "README.md"
TABLES = ("recipe", "kim2014", "kalchbrenner2014")
RESULTS = {
    "ablations": "results",
    "transfer": "results",
    "distillation": "results",
    "audit": "results",
    "labels": "results",
    "onnx": "results",
    "tuning": "results",
    "suggest": "results",
    "glove": "results",
    "deletion": "results",
    "structure": "results",
    "scale": "results",
    "serving": "results",
    "engines": "results",
    "compression": "results",
    "cluster": "results",
    "misspelt": "results",
    "networks": "results",
    "benchmarks.training": "training",
    "benchmarks.prediction": "prediction",
    "benchmarks.command": "command",
    "benchmarks.accuracy": "accuracy",
    "benchmarks.busy": "busy",
    "benchmarks.scaling": "scaling",
    "benchmarks.schedule": "schedule",
    "benchmarks.vectors": "vectors",
    "benchmarks.explain": "explain",
}

pytestmark = pytest.mark.skipif(not INDEX.exists(), reason="the experiments are not here")


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))


def module_of(name):
    return importlib.import_module(f"experiments.{name}" if "." in name else f"experiments.{name}.__main__")


def tables_of(name):
    """The tables that `python -m experiments.NAME --show` prints."""
    module = module_of(name)
    if name in TABLES:
        return importlib.import_module("experiments.reproduction").markdown(module.TABLE)
    shared = importlib.import_module("experiments.shared")
    return module.markdown(shared.read_json(Path(module.__file__).parent / f"{RESULTS[name]}.json"))


@pytest.mark.parametrize("name", [*TABLES, *RESULTS])
def test_tables_are_those_of_the_results(name):
    assert tables_of(name) in INDEX.read_text(encoding="utf-8")


def test_tables_of_the_readme_too():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    accuracy = [line for line in tables_of("recipe").splitlines() if line.startswith("|") and "average of" not in line]
    at = lines.index(accuracy[0])
    assert lines[at : at + len(accuracy)] == accuracy
    speed = tables_of("benchmarks.training") + tables_of("benchmarks.prediction")
    for line in lines:
        if re.match(r"\| (train|predict) ", line):
            *_, usual, ours, ratio, _ = (cell.strip() for cell in line.split("|"))
            assert any({usual, ours, ratio} <= {cell.strip() for cell in row.split("|")} for row in speed.splitlines())


def test_index_has_every_experiment_and_every_picture():
    text = INDEX.read_text(encoding="utf-8")
    main = {path.parent.name for path in FOLDER.glob("*/__main__.py")}
    benchmarks = {f"benchmarks.{path.stem}" for path in FOLDER.glob("benchmarks/*.py")}
    listed = set(re.findall(r"^\| \[`([\w.]+)`\]", text, re.MULTILINE))
    assert listed == main | benchmarks - {"benchmarks.common", "benchmarks.usual"}
    for picture in [*FOLDER.rglob("*.png"), *FOLDER.rglob("*.svg")]:
        assert str(picture.relative_to(FOLDER)) in text


def settings_of(cell):
    """The settings that the options of a cell make today."""
    keywords = {"channels": "non-static"} if cell.vectors else {}
    options = iter(cell.options)
    for option in options:
        if option == "--preset":
            keywords |= preset_keywords(next(options), cell.corpus)
        elif option in ("--keep-case", "--lowercase"):
            keywords["lowercase"] = option == "--lowercase"
        else:
            value = next(options)
            keyword = "max_epochs" if option == "--epochs" else option[2:].replace("-", "_")
            keywords[keyword] = json.loads(value) if value[0].isdigit() else value
    return make_settings(keywords, vectors=Path("vectors.bin") if cell.vectors else None)


@pytest.mark.parametrize("name", TABLES)
def test_cells_have_the_settings_that_their_results_were_trained_with(name):
    table = module_of(name).TABLE
    for cell in table.cells:
        for run in table.result(cell)["runs"].values() if cell.variant != "TF-IDF + LR" else ():
            kept = {part.removesuffix(" settings"): values for part, values in run["settings"].items()}
            for part in ("text", "model", "training"):
                now = json.loads(json.dumps(to_json(getattr(settings_of(cell), part))))
                for setting in kept[part].keys() & now.keys() - {"seed", "max_norm"}:  # None is the network's own bound
                    assert kept[part][setting] == now[setting], (cell, setting)


def test_misspelt_texts():
    noise = importlib.import_module("experiments.misspelt.noise")
    texts = ["The quick brown foxes jumped over lazy dogs, aaaa!"] * 50
    assert noise.misspelt(texts, 0.0, 0) == texts
    some, more, all_of_them = (noise.misspelt(texts, share, 0) for share in (0.1, 0.2, 1.0))
    before, changed = texts[0].split(), 0
    for one, other, every in zip(some, more, all_of_them, strict=True):
        for word, first, second, third in zip(before, one.split(), other.split(), every.split(), strict=True):
            assert first in (word, second)  # the words of a smaller share are among those of a larger one
            assert (third != word) == (len(word.strip(",!")) >= noise.LEAST)
            assert abs(len(third) - len(word)) <= 1
            changed += second != word
    assert 0.12 < changed / (50 * 7) < 0.28  # of the words of four letters or more
    assert noise.misspelt(texts, 0.2, 0) == more != noise.misspelt(texts, 0.2, 1)
