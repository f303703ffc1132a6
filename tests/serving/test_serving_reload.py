"""Another model takes the place of the one that answers; and the metrics."""

import logging
import re
import shutil
import threading
import weakref

import numpy as np
import pytest
from starlette.testclient import TestClient

from textcnn import ModelError, load_model
from textcnn.serving import make_app

TEXT = "a good film, bad jokes"


def probability(client):
    answer = client.post("/predict", json={"text": TEXT, "proba": True})
    assert answer.status_code == 200
    return answer.json()["predictions"][0]["probabilities"]["yes"]


def sample(client, name):
    """The value of a metric by its name and labels, as Prometheus reads it."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return None if found is None else float(found[1])


@pytest.fixture
def folder(served, tmp_path):
    return shutil.copytree(served / "one", tmp_path / "model")


def test_a_reload_takes_the_new_model(served, folder):
    app = make_app(folder)
    client, new = TestClient(app), load_model(served / "other")
    before = probability(client)
    new.save(folder, overwrite=True)
    assert probability(client) == before
    assert app.state.reload()
    assert probability(client) == pytest.approx(new.predict_proba([TEXT])[0, 1], abs=1e-6)
    assert abs(probability(client) - before) > 1e-4
    assert sample(client, 'textcnn_reloads_total{result="loaded"}') == 1


@pytest.mark.parametrize("fault", ["gone", "damaged"])
def test_a_reload_that_fails_keeps_the_model(folder, fault, caplog):
    app = make_app(folder)
    client = TestClient(app)
    before, loaded = probability(client), sample(client, "textcnn_model_loaded_timestamp_seconds")
    if fault == "gone":
        shutil.rmtree(folder)
    else:
        (folder / "model.safetensors").write_bytes(b"nothing")
    caplog.set_level(logging.INFO, "textcnn.serving")
    assert not app.state.reload()
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith(f"reload failed, the model before stays: {folder}")
    assert probability(client) == before
    assert sample(client, 'textcnn_reloads_total{result="failed"}') == 1
    assert sample(client, "textcnn_model_loaded_timestamp_seconds") == loaded


def test_a_model_that_cannot_predict_is_refused(model, monkeypatch):
    def load():
        broken = load_model_of(model)
        broken.scorer.softmax_bias = np.full_like(broken.scorer.softmax_bias, np.nan)
        return broken

    def load_model_of(other):
        return type(other)(other.artifact)

    with pytest.raises(ModelError, match="expected finite scores"):
        make_app(load)
    loads = iter([lambda: load_model_of(model), load, lambda: 1 / 0])
    app = make_app(lambda: next(loads)())
    assert not app.state.reload()
    assert not app.state.reload()
    assert TestClient(app).post("/predict", json={"text": TEXT}).status_code == 200


def test_models_that_no_longer_answer_are_freed(model):
    loaded = []

    def load():
        fresh = type(model)(model.artifact)
        loaded.append(weakref.ref(fresh.scorer))
        return fresh

    app = make_app(load)
    for _ in range(3):
        assert app.state.reload()
    assert [reference() is None for reference in loaded] == [True, True, True, False]


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        make_app(tmp_path / "nowhere")


def test_requests_are_answered_while_a_model_is_loaded(model):
    loading, go_on = threading.Event(), threading.Event()
    first = iter([True])

    def load():
        if not next(first, False):
            loading.set()
            assert go_on.wait(60)
        return model

    app = make_app(load)
    client = TestClient(app)
    thread = threading.Thread(target=app.state.reload)
    thread.start()
    assert loading.wait(60)
    probability(client)
    assert sample(client, 'textcnn_reloads_total{result="loaded"}') is None
    go_on.set()
    thread.join()
    assert sample(client, 'textcnn_reloads_total{result="loaded"}') == 1


def test_metrics_count_requests_texts_and_seconds(served):
    client = TestClient(make_app(served / "one"))
    client.post("/predict", json={"texts": ["good"] * 3})
    client.post("/predict", json={"texts": ["bad"] * 4})
    client.post("/explain", json={"text": "bad"})
    client.post("/predict", content=b"{")
    for path in ("/a", "/b"):
        client.get(path)
    assert sample(client, 'textcnn_requests_total{path="/predict",status="200"}') == 2
    assert sample(client, 'textcnn_requests_total{path="/predict",status="400"}') == 1
    assert sample(client, 'textcnn_requests_total{path="other",status="404"}') == 2
    assert sample(client, 'textcnn_texts_total{path="/predict"}') == 7
    assert sample(client, 'textcnn_texts_total{path="/explain"}') == 1
    assert sample(client, 'textcnn_request_seconds_count{path="/predict"}') == 3
    assert sample(client, 'textcnn_request_seconds_bucket{le="+Inf",path="/predict"}') == 3
    assert 0 < sample(client, 'textcnn_request_seconds_sum{path="/predict"}') < 60
    assert sample(client, 'textcnn_model_info{architecture="kim",classes="2"}') == 1
    assert sample(client, 'textcnn_requests_total{path="/metrics",status="200"}') > 5


def test_metrics_show_the_model_that_answers(served, model):
    loads = iter([model, load_model(served / "several")])
    app = make_app(lambda: next(loads))
    client = TestClient(app)
    assert app.state.reload()
    assert sample(client, 'textcnn_model_info{architecture="kim",classes="2"}') == 0
    assert sample(client, 'textcnn_model_info{architecture="kim",classes="3"}') == 1


def test_two_apps_count_for_themselves(served):
    first, second = (TestClient(make_app(served / "one")) for _ in range(2))
    probability(first)
    assert sample(first, 'textcnn_texts_total{path="/predict"}') == 1
    assert sample(second, 'textcnn_texts_total{path="/predict"}') is None
