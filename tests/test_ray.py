"""Ray Data predicts what `textcnn predict` does, on a local cluster of two processors whose actors may be killed."""

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine_models import DEADLY, MODEL, WORKERS_PATH, numbers, one_class, several_labels, some_texts, watched

from textcnn import load_model
from textcnn.errors import ConfigError, DataError, ModelError
from textcnn.ray import predict

pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray about itself

ROWS = 20_000


@pytest.fixture(scope="module")
def data():
    reason = "Ray Data is not installed: pip install 'textcnn[ray]'"
    ray = pytest.importorskip("ray", reason=reason)
    data = pytest.importorskip("ray.data", reason=reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", WORKERS_PATH)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="warning")
        data.DataContext.get_current().enable_progress_bars = False
        yield data
        ray.shutdown()


@pytest.fixture(scope="module")
def texts():
    return some_texts(ROWS)


def parts(folder, texts, parts=4):
    """A folder of Parquet files with the rows in order."""
    folder.mkdir()
    size = len(texts) // parts
    for part in range(parts):
        rows = range(part * size, (part + 1) * size)
        pq.write_table(pa.table({"id": rows, "text": texts[rows.start : rows.stop]}), folder / f"{part}.parquet")
    return folder


@pytest.mark.parametrize("proba", [False, True])
@pytest.mark.parametrize("make", [one_class, several_labels, numbers])
def test_rows_are_those_of_textcnn_predict(data, texts, make, proba, tmp_path):
    folder, source = make(tmp_path / "model"), parts(tmp_path / "texts", texts)
    command = [sys.executable, "-m", "textcnn", "predict", "-m", folder, "--input", source / "*.parquet"]
    command += ["--output", tmp_path / "ours.parquet", *["--proba"] * proba]
    subprocess.run(command, check=True, capture_output=True)
    predict(data.read_parquet(str(source)), folder, proba=proba).write_parquet(str(tmp_path / "out"))
    found, expected = pq.read_table(tmp_path / "out").sort_by("id"), pq.read_table(tmp_path / "ours.parquet")
    assert len(found) == ROWS
    assert found.schema.names == expected.schema.names
    assert found.to_pylist() == expected.to_pylist()


def test_each_actor_reads_the_model_once_and_has_one_thread(data, texts, tmp_path):
    model, lines = watched(MODEL, tmp_path / "log")
    dataset = data.read_parquet(str(parts(tmp_path / "texts", texts)))
    assert predict(dataset, model).materialize().count() == ROWS
    loaded = [line["process"] for line in lines() if line["event"] == "loaded"]
    assert 1 <= len(loaded) <= 2
    assert len({*loaded}) == len(loaded)
    assert sum(line.get("texts", 0) for line in lines()) == ROWS
    for line in lines():
        assert (line["threads"], line["limit"], line["libraries"]) == ([], "1", [])


def test_as_many_actors_as_processors(data, texts, tmp_path):
    """Reading and writing, which need processors too, do not wait for them for ever."""
    dataset = data.read_parquet(str(parts(tmp_path / "texts", texts)))
    predict(dataset, MODEL, concurrency=2).write_parquet(str(tmp_path / "out"))
    assert len(pq.read_table(tmp_path / "out")) == ROWS


def test_a_killed_actor(data, texts, tmp_path):
    model, lines = watched(MODEL, tmp_path / "log")
    texts = [text or "" for text in texts]
    texts[ROWS - 1] = DEADLY
    dataset = data.read_parquet(str(parts(tmp_path / "texts", texts)))
    predict(dataset, model, concurrency=(1, 1)).write_parquet(str(tmp_path / "out"))
    ended = int((tmp_path / "log.ended").read_text())
    before = [line for line in lines() if line["process"] == ended and line["event"] == "scored"]
    assert len(before) > 1
    assert {line["process"] for line in lines()} > {ended}
    found = pq.read_table(tmp_path / "out").sort_by("id")
    assert found["id"].to_pylist() == list(range(ROWS))
    assert found["prediction"].to_pylist() == load_model(MODEL).predict(texts).tolist()


def test_several_text_columns(data):
    dataset = data.from_items([{"title": "a", "body": "good film"}, {"title": None, "body": "a bad film"}])
    rows = predict(dataset, MODEL, text_column="title,body").take_all()
    expected = load_model(MODEL).predict(["a good film", "a bad film"]).tolist()
    assert sorted((row["body"], row["prediction"]) for row in rows) == [
        ("a bad film", expected[1]),
        ("good film", expected[0]),
    ]


def test_a_missing_column(data):
    dataset = data.from_items([{"txt": "a good film"}])
    with pytest.raises(DataError, match=r"^expected the columns \['text'\], but only \['txt'\] were found in the data"):
        predict(dataset, MODEL)
    with pytest.raises(DataError, match=r"found in the dataset; nearest to 'tex': txt; name it with"):
        predict(dataset, MODEL, text_column="tex")


def test_a_column_of_numbers(data):
    with pytest.raises(DataError, match=r"^expected texts in the dataset, found a column of int64; name the text "):
        predict(data.from_items([{"text": 1}]), MODEL)


@pytest.mark.parametrize(("name", "proba"), [("note", False), ("probability:good", True)])
def test_a_column_of_a_predictions_name(data, name, proba):
    dataset = data.from_items([{"text": "a good film", name: "x"}])
    expected = f"^expected a dataset without the column '{name}', which a prediction is written to; rename or drop it$"
    with pytest.raises(DataError, match=expected):
        predict(dataset, MODEL, proba=proba)


def test_no_such_model(data, tmp_path):
    with pytest.raises(ModelError, match=r"^.*nothing: expected .*$"):
        predict(data.from_items([{"text": "a good film"}]), tmp_path / "nothing")


def test_ray_is_asked_for_by_name(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(
        ConfigError,
        match=r"^ray: expected the library ray\[data\], which is not installed; install it: "
        r"pip install 'textcnn\[ray\]'$",
    ):
        predict(None, MODEL)
