import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textcnn.data.soft_labels import read_soft_labels
from textcnn.distillation import _answers
from textcnn.distillation._answers import Answers
from textcnn.distillation._teachers import Function
from textcnn.errors import DataError
from textcnn.targets import ONE_CLASS

CLASSES = ["bad", "good"]
TEXTS = pa.chunked_array([[f"text {i}" for i in range(7)], [f"more {i}" for i in range(4)]])


class Counting:
    """A teacher that counts its answers, and dies after some."""

    def __init__(self, dies_after=10**9):
        self.asked, self.dies_after = [], dies_after

    def __call__(self, texts):
        self.asked += texts
        if len(self.asked) > self.dies_after:
            raise KeyboardInterrupt
        return [[len(text) % 7 / 10, 1 - len(text) % 7 / 10] for text in texts]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(_answers, "PART", 3)


def answers(folder, function, digest="a"):
    teacher = Function(function, "t", CLASSES, ONE_CLASS)
    teacher.digest = digest
    return Answers(folder, teacher, CLASSES)


def test_answers_are_asked_for_once(tmp_path):
    first, again, counts = Counting(), Counting(), []
    found = answers(tmp_path, first).to("train", TEXTS, on_texts=counts.append)
    np.testing.assert_allclose(found[:, 0], [len(text) % 7 / 10 for text in TEXTS.to_pylist()], rtol=1e-6)
    assert counts == [3, 3, 3, 2]
    assert first.asked == TEXTS.to_pylist()
    assert (answers(tmp_path, again).to("train", TEXTS) == found).all()
    assert again.asked == []


def test_a_run_that_was_stopped_loses_a_part_at_most(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        answers(tmp_path, Counting(dies_after=8)).to("train", TEXTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train-00001.parquet", "train-00002.parquet"]
    rest = Counting()
    answers(tmp_path, rest).to("train", TEXTS)
    assert rest.asked == TEXTS.to_pylist()[6:]


def test_they_are_files_of_soft_labels(tmp_path):
    found = answers(tmp_path, Counting()).to("unlabelled", TEXTS)
    soft = read_soft_labels([str(tmp_path / "*.parquet")], CLASSES)
    assert soft.texts.to_pylist() == TEXTS.to_pylist()
    np.testing.assert_allclose(soft.probabilities, found, rtol=1e-6)


@pytest.mark.parametrize(
    ("digest", "texts", "what"),
    [
        ("b", TEXTS, "another teacher's"),
        ("a", pa.chunked_array([["other"] * 11]), "those to other texts"),
        ("a", TEXTS.slice(0, 2), "those to other texts"),
    ],
)
def test_answers_of_another_run_are_noticed(tmp_path, digest, texts, what):
    answers(tmp_path, Counting()).to("train", TEXTS)
    message = (
        f"{tmp_path / 'train-00001.parquet'}: expected the answers of this teacher to these texts, found {what}; "
        "remove the folder, or give another one (--answers)"
    )
    with pytest.raises(DataError, match=f"^{re.escape(message)}$"):
        answers(tmp_path, Counting(), digest).to("train", texts)


def test_a_damaged_or_foreign_file_is_noticed(tmp_path):
    path = tmp_path / "train-00001.parquet"
    for write in (lambda: path.write_bytes(b"PAR1 nothing"), lambda: pq.write_table(pa.table({"text": ["a"]}), path)):
        write()
        with pytest.raises(DataError, match="expected the answers of this teacher to these texts, found other content"):
            answers(tmp_path, Counting()).to("train", TEXTS)
    assert path.exists()


def test_no_texts(tmp_path):
    assert answers(tmp_path, Counting()).to("unlabelled", pa.chunked_array([], pa.string())).shape == (0, 2)
