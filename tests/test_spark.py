"""Spark predicts what `textcnn predict` does, on a local cluster of two cores that tries a failed task again."""

import os
import shutil
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from engine_models import DEADLY, MODEL, WORKERS_PATH, numbers, one_class, several_labels, some_texts, watched

from textcnn import load_model
from textcnn.errors import ConfigError, ModelError
from textcnn.spark import predict_udf

pytestmark = pytest.mark.filterwarnings("ignore")  # of Spark about pandas

ROWS, BATCH = 4000, 250
ENVIRONMENT = {
    "PYSPARK_PYTHON": sys.executable,
    "PYTHONPATH": WORKERS_PATH,
}


@pytest.fixture(scope="module")
def session():
    sql = pytest.importorskip("pyspark.sql", reason="PySpark is not installed: pip install 'textcnn[spark]'")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Java is not installed, in which Spark runs")
    options = {
        "spark.master": "local[2,4]",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(BATCH),
        "spark.ui.enabled": "false",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        session = sql.SparkSession.builder.config(map=options).getOrCreate()
        yield session
        session.stop()


@pytest.fixture(scope="module")
def texts():
    return some_texts(ROWS)


def predicted(frame, udf):
    return frame.select("*", udf("text").alias("predicted")).select("id", "text", "predicted.*")


@pytest.mark.parametrize("make", [one_class, several_labels, numbers])
def test_rows_are_those_of_textcnn_predict(session, texts, make, tmp_path):
    folder, source = make(tmp_path / "model"), tmp_path / "texts.parquet"
    pq.write_table(pa.table({"id": range(ROWS), "text": texts}), source)
    command = [sys.executable, "-m", "textcnn", "predict", "-m", folder, "--input", source, "--proba"]
    subprocess.run([*command, "--output", tmp_path / "ours.parquet"], check=True, capture_output=True)
    frame = session.read.parquet(str(source)).repartition(4)
    predicted(frame, predict_udf(folder, proba=True)).write.parquet(str(tmp_path / "out"))
    found = pq.read_table(tmp_path / "out").sort_by("id").to_pylist(maps_as_pydicts="strict")
    expected = pq.read_table(tmp_path / "ours.parquet").to_pylist()
    assert len(found) == len(expected) == ROWS
    names = [str(label) for label in load_model(folder).classes_]
    for own, row in zip(found, expected, strict=True):
        row["probabilities"] = {name: row.pop(f"probability:{name}") for name in names}
        if row["text"] is None:
            row |= dict.fromkeys(("prediction", "probability", "probabilities", "note"))
        assert own == row


@pytest.mark.parametrize(
    ("make", "label", "number"),
    [
        (one_class, "string", "double"),
        (several_labels, "array<string>", "array<double>"),
        (numbers, "bigint", "double"),
    ],
)
def test_fields(session, make, label, number, tmp_path):
    model = load_model(make(tmp_path / "model"))
    frame = session.createDataFrame([("a good film",)], "text string")
    field = frame.select(predict_udf(model)("text").alias("p")).schema[0]
    assert field.dataType.simpleString() == f"struct<prediction:{label},probability:{number},note:string>"
    field = frame.select(predict_udf(model, proba=True)("text").alias("p")).schema[0]
    assert "probabilities:map<string,double>" in field.dataType.simpleString()


def test_only_missing_texts(session):
    frame = session.createDataFrame([(1, None), (2, None)], "id int, text string")
    rows = predicted(frame, predict_udf(MODEL, proba=True)).collect()
    assert [tuple(row) for row in rows] == [(1, *[None] * 5), (2, *[None] * 5)]


def test_each_worker_loads_the_model_once_and_has_one_thread(session, texts, tmp_path):
    model, lines = watched(MODEL, tmp_path / "log")
    rows = [(row, text) for row, text in enumerate(texts) if text is not None]
    frame = session.createDataFrame(rows, "id int, text string").repartition(8)
    udf = predict_udf(model)
    for _ in range(2):
        assert predicted(frame, udf).where("prediction is not null").count() == len(rows)
    loaded = [line["process"] for line in lines() if line["event"] == "loaded"]
    assert 1 <= len(loaded) <= 2
    assert len({*loaded}) == len(loaded)
    assert sum(line.get("texts", 0) for line in lines()) == 2 * len(rows)
    for line in lines():
        assert (line["threads"], line["limit"], line["libraries"]) == ([], "1", [])


def test_a_killed_worker(session, texts, tmp_path):
    model, lines = watched(MODEL, tmp_path / "log")
    texts = [text or "" for text in texts]
    texts[ROWS // 2] = DEADLY
    frame = session.createDataFrame(list(enumerate(texts)), "id int, text string").coalesce(1)
    found = sorted(predicted(frame, predict_udf(model)).collect())
    ended = int((tmp_path / "log.ended").read_text())
    before = [line for line in lines() if line["process"] == ended and line["event"] == "scored"]
    assert len(before) > 1  # batches of the same task
    assert {line["process"] for line in lines()} > {ended}
    assert [row.id for row in found] == list(range(ROWS))
    assert [row.prediction for row in found] == load_model(MODEL).predict(texts).tolist()


def test_another_column(session):
    from pyspark.errors import AnalysisException

    frame = session.createDataFrame([("a good film",)], "text string")
    with pytest.raises(AnalysisException, match="`txt` cannot be resolved"):
        frame.select(predict_udf(MODEL)("txt"))


def test_a_column_of_numbers(session):
    from pyspark.errors import PythonException

    frame = session.createDataFrame([(1,)], "text int")
    with pytest.raises(PythonException, match=r"DataError: texts: expected strings, found int32"):
        frame.select(predict_udf(MODEL)("text")).collect()


def test_no_such_model(session, tmp_path):
    with pytest.raises(ModelError, match=r"^.*nothing: expected .*$"):
        predict_udf(tmp_path / "nothing")


@pytest.mark.parametrize("library", ["pyspark", "pandas"])
def test_a_missing_library_is_asked_for_by_name(library, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        ConfigError,
        match=rf"^spark: expected the library {library}, which is not installed; install it: "
        r"pip install 'textcnn\[spark\]'$",
    ):
        predict_udf(MODEL)


def run(code, **environment):
    environment = {**os.environ, **ENVIRONMENT, **environment}
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_without_java(tmp_path):
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'textcnn[spark]'")
    code = f"from textcnn.spark import predict_udf; predict_udf({str(MODEL)!r})"
    ended = run(code, JAVA_HOME=str(tmp_path))
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "textcnn.errors.ConfigError: spark: expected Java, in which Spark runs, found none that starts; "
        "install Java 17, or name its folder by JAVA_HOME"
    )


_CONNECTED = """
from pyspark.sql import SparkSession
from textcnn.spark import predict_udf
session = SparkSession.builder.remote("local[2]").getOrCreate()
frame = session.createDataFrame([("a good film",), (None,), ("",)], "text string").coalesce(1)
for row in frame.select(predict_udf({model!r})("text").alias("p")).select("p.*").collect():
    print(row.prediction, row.note)
session.stop()
"""


def test_spark_connect(session):
    pytest.importorskip("grpc", reason="Spark Connect is not installed: pip install 'pyspark[connect]'")
    pytest.importorskip("zstandard")
    ended = run(_CONNECTED.format(model=str(MODEL)))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == ["good ", "None None", "bad empty"]
