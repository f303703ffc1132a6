from pathlib import Path

import numpy as np
import pytest

from textcnn import DataError, ModelError, load_model
from textcnn.data.labelled import Labelled
from textcnn.files import locked
from textcnn.run import Destination, cross_validate_and_save, texts_for_folds, train_and_save
from textcnn.settings.options import make_settings
from textcnn.text.columns import as_column

TEXTS = ["a good film", "good fun for all", "a bad film", "bad jokes and no fun"] * 12
LABELS = np.array([1, 1, 0, 0] * 12)
CLASSES = ["no", "yes"]
SETTINGS = make_settings({"dimension": 4, "feature_maps": 2, "region_sizes": (1, 2), "max_epochs": 2})


def part(rows=slice(None)):
    return Labelled(as_column(TEXTS[rows]), LABELS[rows])


def test_everything_that_a_run_makes(tmp_path):
    parts = {"train": part(), "test": part(slice(8))}
    run = train_and_save(parts, CLASSES, tmp_path / "m", SETTINGS, source="mine", scores={"folds": 3})
    assert not run.history.interrupted
    assert run.report == tmp_path / "m" / "report.html"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m"]
    artifact = load_model(tmp_path / "m").artifact
    assert artifact.training["source"] == "mine"
    assert artifact.training["cross_validation"] == {"folds": 3}
    assert artifact.metrics["test"]["examples"] == 8
    bare = train_and_save({"train": part()}, CLASSES, tmp_path / "n", SETTINGS, report=False)
    assert (bare.report, bare.report_error) == (None, None)
    assert not (tmp_path / "n" / "report.html").exists()


def test_a_corpus_whose_name_is_not_utf_8_costs_no_training(tmp_path):
    run = train_and_save({"train": part()}, CLASSES, tmp_path / "m", SETTINGS, source="\udcff.csv")
    assert run.report_error is None
    assert load_model(tmp_path / "m").artifact.training["source"] == "?.csv"


def test_a_page_that_fails_costs_nothing(tmp_path, monkeypatch):
    def fails(*args, **keywords):
        raise RuntimeError("no ink")

    monkeypatch.setattr("textcnn.report.page.write_report", fails)
    run = train_and_save({"train": part()}, CLASSES, tmp_path / "m", SETTINGS)
    assert run.report is None
    assert str(run.report_error) == "no ink"
    load_model(tmp_path / "m")


def test_nothing_is_done_where_the_model_cannot_be_saved(tmp_path):
    (tmp_path / "m").write_text("mine")
    with pytest.raises(ModelError, match="m: expected a folder"):
        train_and_save({"train": part()}, CLASSES, tmp_path / "m", SETTINGS)
    with pytest.raises(ModelError, match="root"):
        train_and_save({"train": part()}, CLASSES, Path("/"), SETTINGS)
    (tmp_path / "n.checkpoint").write_bytes(b"")
    with pytest.raises(DataError, match=r"n\.checkpoint: .*--resume"):
        train_and_save({"train": part()}, CLASSES, tmp_path / "n", SETTINGS)


def test_two_runs_do_not_train_into_one_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("textcnn.run.WAIT", 0.1)
    with Destination(tmp_path / "m").reserved(), pytest.raises(ModelError, match="m: .*process"):
        train_and_save({"train": part()}, CLASSES, tmp_path / "m", SETTINGS)
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path / "m.lock", wait=0):
        pass


def test_folds_are_kept(tmp_path):
    seen = []
    texts, fixed = texts_for_folds({"train": part(), "validation": part(slice(4)), "test": part(slice(8))})
    assert (len(texts.labels), [*fixed]) == (52, ["test"])
    found = cross_validate_and_save(
        texts, CLASSES, tmp_path / "m", SETTINGS, folds=3, on_fold=lambda fold: seen.append(fold.number)
    )
    assert seen == [1, 2, 3]
    assert [fold.number for fold in found.folds] == seen
    assert found.probabilities.shape == (52, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.cv.json", "m.cv.safetensors"]
    whole, fixed = texts_for_folds({"train": part(), "test": part(slice(8))}, corpus="mr")
    assert (len(whole.labels), fixed) == (56, {})
