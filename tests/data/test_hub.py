"""The hub, by local repositories laid out like its own; nothing here reaches a network."""

from __future__ import annotations

import dataclasses
import logging
import socket
from pathlib import Path
from types import SimpleNamespace

import datasets
import huggingface_hub
import pytest
from huggingface_hub.utils import RepositoryNotFoundError, RevisionNotFoundError

from textcnn.data import describe, load_corpus
from textcnn.data._hub import is_hub_name
from textcnn.data._named_corpora import CORPORA
from textcnn.errors import ConfigError, DataError

CARD = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
# A dataset
"""


@pytest.fixture(autouse=True)
def network(tmp_path, monkeypatch):
    """An empty folder, an empty cache, and a network that refuses and records its calls."""
    calls = []

    def refuse(*args, **options):
        calls.append(args)
        raise OSError("no network here")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return calls


def split(rows, label=None, text="text", column="label"):
    texts, labels = zip(*rows, strict=True)
    label = label or datasets.Value("int64")
    features = datasets.Features({text: datasets.Value("string"), column: label})
    return datasets.Dataset.from_dict({text: list(texts), column: list(labels)}, features=features)


SENTIMENT = datasets.ClassLabel(names=["neg", "pos"])
ROWS = [("good", 1), ("bad", 0), ("fine", 1)]


def repository(name: str, splits: dict[str, datasets.Dataset], card: str | None = CARD) -> str:
    folder = Path(name)
    (folder / "data").mkdir(parents=True)
    for each, rows in splits.items():
        rows.to_parquet(folder / "data" / f"{each}-00000-of-00001.parquet")
    if card is not None:
        (folder / "README.md").write_text(card)
    return name


def error(*args, kind=DataError, **options) -> str:
    with pytest.raises(kind) as caught:
        load_corpus(*args, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Any dataset


def test_parquet_repository(network):
    repository("user/films", {"train": split(ROWS, SENTIMENT), "test": split(ROWS[:1], SENTIMENT)})
    corpus = load_corpus("user/films", hub=True)
    assert {name: part.to_list() for name, part in corpus.items()} == {
        "train": [{"text": text, "label": label} for text, label in ROWS],
        "test": [{"text": "good", "label": 1}],
    }
    assert corpus["train"].features["label"].names == ["neg", "pos"]
    assert corpus["train"].features["text"].dtype == "string"
    assert network == []


def test_csv_repository_without_card(network):
    Path("films").mkdir()
    Path("films/train.csv").write_text("review,sentiment,stars\ngood,pos,5\nbad,neg,1\n")
    Path("films/dev.csv").write_text("review,sentiment,stars\nso,neg,5\n")
    corpus = load_corpus("films", hub=True)
    assert corpus["train"].to_list() == [{"text": "good", "label": 1}, {"text": "bad", "label": 0}]
    assert corpus["validation"].to_list() == [{"text": "so", "label": 0}]
    stars = load_corpus("films", hub=True, label_column="stars")
    assert stars["train"].features["label"].names == ["1", "5"]
    assert network == []


def test_configurations(network):
    card = CARD.replace("default", "one").replace(
        "---\n#", "- config_name: two\n  data_files:\n  - split: train\n    path: data/test-*\n---\n#"
    )
    repository("films", {"train": split(ROWS), "test": split([("x", 7), ("y", 8)])}, card)
    assert load_corpus("films:two", hub=True)["train"].features["label"].names == ["7", "8"]
    choice = "the configurations ['one', 'two'] of films, found "
    assert choice + "none; write films:NAME" in error("films", hub=True)
    assert choice + "'three'; write films:NAME" in error("films:three", hub=True)
    assert network == []


def test_columns_are_those_that_are_named():
    repository("films", {"train": split(ROWS, text="t", column="l")}, None)
    assert load_corpus("films", hub=True, text_column="t", label_column="l")["train"].num_rows == 3
    assert "only ['t', 'l'] were found in films (train)" in error("films", hub=True)


def test_rows_without_label():
    repository("films", {"train": split(ROWS, SENTIMENT), "test": split([("x", -1), ("y", 0), ("z", -1)], SENTIMENT)})
    assert "films (test), but row 1 (and 3) has none" in error("films", hub=True)


def test_splits_that_are_not_ours(caplog):
    card = CARD.replace("split: train", "split: extra")
    repository("films", {"train": split(ROWS), "test": split(ROWS)}, card)
    with caplog.at_level(logging.INFO, "textcnn"):
        assert "training texts in films, found only test texts" in error("films", hub=True)
    assert caplog.messages == ["the split extra of films is skipped"]
    assert list(load_corpus("films", hub=True, known_classes=["0", "1"])) == ["test"]
    repository("others", {"train": split(ROWS), "test": split(ROWS)}, card.replace("split: test", "split: more"))
    assert "a split train in others, found extra, more" in error("others", hub=True)


def test_repositories_that_cannot_be_read():
    Path("empty").mkdir()
    assert "empty cannot be read: The directory " in error("empty", hub=True)
    Path("script").mkdir()
    Path("script/script.py").write_text("import datasets\n")
    assert "data in script, found a script" in error("script", hub=True)
    repository("broken", {"train": split(ROWS), "test": split(ROWS)})
    Path("broken/data/train-00000-of-00001.parquet").write_bytes(b"garbage")
    assert "broken cannot be read: Parquet " in error("broken", hub=True)
    repository("card", {"train": split(ROWS)}, "---\nconfigs: [:\n---\n")
    assert "card cannot be read: while parsing " in error("card", hub=True)


# Names and the network


def test_names():
    Path("here").mkdir()
    for name in ("user/name", "user/name:config", "User-1/na.me_2", "user/name:con.fig-1"):
        assert is_hub_name(name)
    for name in ("name", "user/name.csv", "user/name.csv.gz", "a/b/c", "./name", "/name", "here/name", "user/", "u/n:"):
        assert not is_hub_name(name)


def test_offline(network):
    unreachable = "cannot reach the Hugging Face hub for user/name: no network here; "
    assert unreachable in error("user/name")
    assert "HF_HUB_OFFLINE=1" in error("user/name")
    assert unreachable in error("user/name:config")
    copy = unreachable.replace("user/name", "cornell-movie-review-data/rotten_tomatoes")
    assert copy in error("mr", hub=True)
    assert network


def test_offline_by_the_environment(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert "cannot reach the Hugging Face hub for user/name: " in error("user/name")
    assert "(OfflineModeIsEnabled)" in error("user/name")


def test_mistaken_paths_make_no_network_call(network):
    Path("here").mkdir()
    Path("here/films.csv").write_text("text,label\nx,1\n")
    assert error("here/film").endswith("found 'here/film'; nearest to 'film': films.csv")
    assert error("there/films.csv").endswith(f"found {'there/films.csv'!r}, nor a folder there")
    assert "user/name or user/name:config on the Hugging Face hub, found 'films'" in error("films", hub=True)
    assert network == []


def answer(monkeypatch, found) -> list:
    """Let the hub answer this for any dataset, and return the arguments of each request."""
    asked = []

    def dataset_info(self, *args, **options):
        asked.append((args, options["revision"]))
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    return asked


def test_unknown_repository_and_revision(monkeypatch):
    response = SimpleNamespace(headers={}, request=None, status_code=404)
    asked = answer(monkeypatch, RepositoryNotFoundError("404 Client Error.\n\nRepository Not Found", response=response))
    assert "there is no user/name, or it is not public" in error("user/name")
    assert asked == [(("user/name",), None)]
    asked = answer(monkeypatch, RevisionNotFoundError("404\n", response=response))
    revision = describe("trec").hub.revision
    assert f"the revision {revision} of CogComp/trec on the hub, but it is gone" in error("trec", hub=True)
    assert asked == [(("CogComp/trec",), revision)]


@pytest.mark.parametrize("config", [None, "coarse"])
def test_repository_with_a_script(monkeypatch, config):
    answer(monkeypatch, SimpleNamespace(siblings=[SimpleNamespace(rfilename="name.py")]))
    asked = []

    def load_dataset(*args, **options):
        asked.append((args, options))
        return datasets.DatasetDict({"train": split(ROWS)})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_corpus("user/name" + (f":{config}" if config else ""))["train"].num_rows == 3
    assert asked == [(("user/name", None), {"data_dir": config, "revision": "refs/convert/parquet"})]


# Named corpora


def shrunk(monkeypatch, name: str, **changes) -> None:
    """A corpus whose copy is a folder here."""
    copy = dataclasses.replace(CORPORA[name].hub, **changes)
    monkeypatch.setitem(CORPORA, name, dataclasses.replace(CORPORA[name], hub=copy))


def test_copy(monkeypatch, caplog, network):
    mr = {"train": split(ROWS, SENTIMENT), "validation": split(ROWS[:1], SENTIMENT), "test": split(ROWS, SENTIMENT)}
    repository("mr-copy", mr, None)
    shrunk(monkeypatch, "mr", repository="mr-copy", counts={"train": 3, "validation": 1, "test": 3})
    with caplog.at_level(logging.WARNING, "textcnn"):
        corpus = load_corpus("mr", hub=True)
    assert {name: part["label"][:] for name, part in corpus.items()} == {
        "train": [1, 0, 1],
        "validation": [1],
        "test": [1, 0, 1],
    }
    assert corpus["train"].features["label"].names == ["negative", "positive"]
    warning, *_ = caplog.messages  # the splits of this copy share texts
    assert warning.startswith("reading mr from mr-copy (aa13bc287fa6), a copy ")
    assert warning.endswith(f": {CORPORA['mr'].hub.differs}")
    assert network == []


def test_copy_with_classes_in_another_order(monkeypatch):
    coarse = datasets.ClassLabel(names=["ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM"])
    rows = [("what", 1), ("why", 2), ("who", 3)]
    repository(
        "t", {"train": split(rows, coarse, column="coarse_label"), "test": split(rows, coarse, column="coarse_label")}
    )
    shrunk(monkeypatch, "trec", repository="t", counts={"train": 3, "test": 3})
    corpus = load_corpus("trec", hub=True)
    assert corpus["train"]["label"][:] == [2, 1, 3]
    assert corpus["train"].features["label"].names == ["ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"]


def test_copy_with_markup_and_texts_without_labels(monkeypatch):
    rows = [("so<br /><br />good", 1), ("bad", 0)]
    card = CARD.replace("---\n#", "  - split: unsupervised\n    path: data/unsupervised-*\n---\n#").replace(
        "default", "plain_text"
    )
    nothing = split([("a<br />b", -1)], SENTIMENT)
    repository("i", {"train": split(rows, SENTIMENT), "test": split(rows, SENTIMENT), "unsupervised": nothing}, card)
    shrunk(monkeypatch, "imdb", repository="i", counts={"train": 2, "test": 2, "unsupervised": 1})
    assert load_corpus("imdb", hub=True)["train"]["text"][:] == ["so  good", "bad"]
    corpus = load_corpus("imdb", hub=True, unsupervised=True, known_classes=["positive", "negative"])
    assert corpus["unsupervised"].to_list() == [{"text": "a b", "label": -1}]
    assert corpus["train"]["label"][:] == [0, 1]


def test_copy_of_a_split_that_we_leave_out(monkeypatch):
    rows = split(ROWS, text="sentence")
    card = CARD.replace("---\n#", "  - split: dev\n    path: data/dev-*\n---\n#")
    repository("m", {"train": rows, "test": rows, "dev": rows}, card)
    shrunk(monkeypatch, "mpqa", repository="m", counts={"train": 3, "test": 3})
    assert list(load_corpus("mpqa", hub=True)) == ["train", "test"]


def test_copy_that_is_not_what_it_should_be(monkeypatch):
    repository("s", {"train": split(ROWS), "test": split(ROWS)})
    shrunk(monkeypatch, "subj", repository="s", counts={"train": 3, "test": 4})
    assert "4 texts in the test split of s, found 3" in error("subj", hub=True)
    shrunk(monkeypatch, "subj", counts={"train": 3, "test": 3, "validation": 2})
    assert "2 texts in the validation split of s, found 0" in error("subj", hub=True)
    shrunk(monkeypatch, "subj", counts={"train": 3, "test": 3}, labels=("a", "b"))
    refusal = error("subj", hub=True)
    assert "from its description ('a', 'b'), but s (train) has '1' in row 1 (and 2, 3)" in refusal
    shrunk(monkeypatch, "subj", text_column="sentence")
    assert "['sentence', 'label'], but only ['text', 'label'] were found in s (train)" in error("subj", hub=True)


def test_the_table_of_copies():
    for name, corpus in CORPORA.items():
        if name == "sample":
            continue
        assert len(corpus.hub.labels) == len(corpus.classes)
        assert set(corpus.hub.counts) <= {"train", "validation", "test", "unsupervised"}
        pinned = len(corpus.hub.revision) == 40
        assert pinned != ("a branch, which may change" in corpus.hub.differs)
        if corpus.hub.counts != corpus.counts:
            assert corpus.hub.differs


def test_the_hub_and_a_folder_do_not_go_together():
    refusal = error("mr", hub=True, data_dir=".", kind=ConfigError)
    assert "either --data-dir or --hub to read mr from, found both" in refusal
    assert "a copy on the hub, found sample" in error("sample", hub=True, kind=ConfigError)
