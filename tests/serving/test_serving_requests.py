"""What the app answers, in this process."""

import asyncio
import io
import json
import logging
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from textcnn import ModelError, load_model, serving
from textcnn.inference.predictor import Predictor
from textcnn.serving import _app, _bodies, make_app
from textcnn.serving._json_log import JsonFormatter

MIXED = ["a good film", "bad jokes", "", "no known word at all, unseen", "good good bad", "ß \U0001f600 e\u0301"]
KEYS = "texts, text, proba, top_k, min_confidence"


def predictions(client, **body):
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["predictions"]


def error(client, content, path="/predict", **keywords):
    content = content if isinstance(content, (bytes, str)) else json.dumps(content)
    answer = client.post(path, content=content, **keywords)
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert "\n" not in answer.json()["error"]
    return answer.status_code, answer.json()["error"]


def call(app, messages, headers=(), path="/predict"):
    """Send ASGI messages to the app; returns the messages of its answer, and how many it took."""
    sent, taken = [], 0

    async def receive():
        nonlocal taken
        message = next(messages, None)
        if message is None:
            await asyncio.Event().wait()
        taken += 1
        return message

    async def send(message):
        sent.append(message)

    scope = {
        **{"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "root_path": ""},
        **{"query_string": b"", "headers": [*headers], "http_version": "1.1", "scheme": "http"},
    }
    asyncio.run(app(scope, receive, send))
    return sent, taken


@pytest.mark.parametrize("texts", [MIXED, MIXED * 40, []])
def test_predictions_are_those_of_the_model(client, model, texts):
    found = predictions(client, texts=texts, proba=True)
    probabilities = np.array([list(one["probabilities"].values()) for one in found]).reshape(-1, 2)
    np.testing.assert_allclose(probabilities, model.predict_proba(texts), atol=1e-6)
    assert [one["prediction"] for one in found] == model.predict(texts).tolist()
    np.testing.assert_allclose([one["probability"] for one in found], probabilities.max(axis=1, initial=0), atol=1e-6)
    assert all([*one["probabilities"]] == ["no", "yes"] for one in found)


@given(st.lists(st.text(max_size=30), max_size=20))
def test_any_texts_have_the_models_probabilities(client, model, texts):
    found = predictions(client, texts=texts, proba=True)
    probabilities = np.array([list(one["probabilities"].values()) for one in found]).reshape(-1, 2)
    np.testing.assert_allclose(probabilities, model.predict_proba(texts), atol=1e-6)


def test_one_text_and_its_notes(client):
    assert predictions(client, text="a good film") == predictions(client, texts=["a good film"])
    assert [one.get("note") for one in predictions(client, texts=["good", "zebra", ""])] == [None, "unknown", "empty"]


def test_top_k_and_min_confidence(client, model):
    (one,) = predictions(client, texts=["a good film"], top_k=5)
    assert [each["label"] for each in one["top"]] == ["yes", "no"]
    assert one["top"][0] == {"label": one["prediction"], "probability": one["probability"]}
    assert [one["prediction"] for one in predictions(client, texts=MIXED, min_confidence=1)] == [None] * len(MIXED)


def test_several_labels(served):
    client, model = TestClient(make_app(served / "several")), load_model(served / "several")
    found = predictions(client, texts=MIXED, proba=True)
    assert [sorted(one["prediction"]) for one in found] == model.predict(MIXED)
    probabilities = np.array([list(one["probabilities"].values()) for one in found])
    np.testing.assert_allclose(probabilities, model.predict_proba(MIXED), atol=1e-6)
    assert [len(one["prediction"]) for one in predictions(client, texts=MIXED, top_k=2)] == [2] * len(MIXED)
    assert client.get("/health").json()["model"]["several_labels"]
    answer = client.post("/explain", json={"texts": MIXED[:2]}).json()["explanations"]
    assert [one["prediction"] for one in answer] == [one.to_json()["prediction"] for one in model.explain(MIXED[:2])]


def test_predictions_are_those_of_the_command_line(client, served, monkeypatch, capsysbinary):
    from textcnn.cli import main

    lines = [text for text in MIXED if text]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
    options = ["--format", "json", "--proba", "--top-k", "2", "--min-confidence", "0.6"]
    monkeypatch.setattr(sys, "argv", ["textcnn", "predict", "-m", str(served / "one"), *options])
    with pytest.raises(SystemExit):
        main()
    written = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    found = predictions(client, texts=lines, proba=True, top_k=2, min_confidence=0.6)
    assert written == [{"text": text, **one} for text, one in zip(lines, found, strict=True)]


def test_explanations_are_those_of_the_model(client, model):
    answer = client.post("/explain", json={"texts": MIXED})
    assert answer.json()["explanations"] == [json.loads(json.dumps(one.to_json())) for one in model.explain(MIXED)]
    one = client.post("/explain", json={"text": "a good film"}).json()["explanations"]
    assert one == answer.json()["explanations"][:1]


@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"", 400, 'expected JSON such as {"texts": ["not bad"]}, found none: Expecting value in line 1, column 1'),
        (b"{", 400, "expected JSON such as"),
        (b'{"text": "\xff"}', 400, "expected JSON in UTF-8, found the byte 0xff at 10"),
        (b"[" * 200_000, 400, "expected JSON of plain numbers and texts, found too large or too deep a value"),
        (b'{"top_k": ' + b"9" * 5000 + b"}", 400, "found too large or too deep a value"),
        ([], 422, 'expected an object such as {"texts": ["not bad"]}, found a list'),
        (None, 422, 'expected an object such as {"texts": ["not bad"]}, found null'),
        ({}, 422, 'expected either "texts", a list of strings, or "text", a string, found neither'),
        ({"text": "", "texts": []}, 422, 'or "text", a string, found both'),
        ({"texts": "good"}, 422, 'texts: expected a list of strings, found a string; one text goes into "text"'),
        ({"texts": ["", None]}, 422, "texts[1]: expected a string, found null"),
        ({"texts": [["good"]]}, 422, "texts[0]: expected a string, found a list"),
        ({"text": ["good"]}, 422, "text: expected a string, found a list"),
        (b'{"texts": ["", "\\ud800"]}', 422, "texts[1]: expected Unicode text, found a lone surrogate"),
        (b'{"text": "\\udc00"}', 422, "texts[0]: expected Unicode text, found a lone surrogate (half a character); "),
        ({"texts": [""] * 10_001}, 422, "texts: expected at most 10,000, found 10,001; send several requests"),
        ({"text": "", "topk": 1}, 422, f"expected only the keys {KEYS}, found 'topk'; nearest to 'topk': top_k"),
        ({"text": "", "zzzz": 1}, 422, f"expected only the keys {KEYS}, found 'zzzz'; leave it out"),
        ({"text": "", "top_k": 0}, 422, "top_k: expected a whole number of at least 1, found 0"),
        ({"text": "", "top_k": 1.5}, 422, "top_k: expected a whole number of at least 1, found a number"),
        ({"text": "", "top_k": True}, 422, "top_k: expected a whole number of at least 1, found true or false"),
        ({"text": "", "proba": 1}, 422, "proba: expected true or false, found a number"),
        ({"text": "", "min_confidence": 2}, 422, "min_confidence: expected a number from 0 to 1, found 2"),
        (b'{"text": "", "min_confidence": NaN}', 422, "min_confidence: expected a number from 0 to 1, found nan"),
        (b'{"text": "", "min_confidence": 1e999}', 422, "min_confidence: expected a number from 0 to 1, found inf"),
        (b'{"text": "", "top_k": -1' + b"0" * 400 + b"}", 422, "a whole number of at least 1, found -1000"),
    ],
)
def test_bodies_that_are_refused(client, content, status, message):
    found = error(client, content)
    assert found[0] == status
    assert message in found[1]


def test_more_characters_than_are_explained(client):
    assert error(client, {"texts": ["a" * 60_000] * 2}, "/explain") == (
        422,
        "texts: expected at most 100,000 characters to explain, found 120,000; send several requests, or parts of a "
        "text",
    )
    assert client.post("/explain", json={"text": "bad film " * 11_000}).status_code == 200
    assert error(client, {"text": "", "proba": True}, "/explain")[0] == 422


def test_other_paths_and_methods(client):
    paths = "/predict, /explain, /health, /metrics, /openapi.json, /docs"
    assert error(client, b"", "/predit") == (
        404,
        f"expected one of the paths {paths}, found '/predit'; nearest to '/predit': /predict",
    )
    assert error(client, b"", "/zzzzzzzzzzzzz")[1].endswith("found '/zzzzzzzzzzzzz'; /docs describes them")
    assert error(client, b"", "/predict/")[0] == 404
    assert error(client, b"", "/health") == (405, "expected the method GET, HEAD, found 'POST'")
    answer = client.get("/predict")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert client.head("/health").status_code == 200


def test_a_text_of_ten_megabytes_is_answered(client, model):
    text = "a good film, bad jokes. " * (10_000_000 // 24)
    (one,) = predictions(client, text=text, proba=True)
    np.testing.assert_allclose([*one["probabilities"].values()], model.predict_proba([text])[0], atol=1e-6)


def test_a_large_body_is_refused_by_its_length_before_it_is_read(app):
    headers = [(b"content-length", b"100000000"), (b"expect", b"100-continue")]
    sent, taken = call(app, iter([]), headers)
    assert taken == 0
    assert sent[0]["status"] == 413
    assert (b"connection", b"close") in sent[0]["headers"]
    assert json.loads(sent[1]["body"]) == {
        "error": "expected a body of at most 16,777,216 bytes, found 100,000,000; send fewer texts"
    }


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"100000000")], [(b"content-length", b"1" * 5000)]])
def test_a_large_body_is_counted_and_dropped(app, headers):
    chunk = bytes(1_000_000)
    messages = ({"type": "http.request", "body": chunk, "more_body": number < 99} for number in range(100))
    tracemalloc.start()
    try:
        sent, taken = call(app, messages, headers)
        assert tracemalloc.get_traced_memory()[1] < 3 * serving.MAX_BODY
    finally:
        tracemalloc.stop()
    assert sent[0]["status"] == 413
    assert taken == 100  # the client has sent all, and sees the answer
    assert not sent[-1].get("more_body")


def test_limits_of_an_app(served):
    client = TestClient(make_app(served / "one", max_body=40, max_texts=2))
    assert client.post("/predict", content=b'{"texts": ["good", "bad"]}' + b" " * 14).status_code == 200
    assert error(client, b" " * 41) == (413, "expected a body of at most 40 bytes, found 41; send fewer texts")
    assert error(client, iter([b" " * 30] * 2).__next__() * 2)[0] == 413
    assert error(client, {"texts": ["", "", ""]})[1] == "texts: expected at most 2, found 3; send several requests"


def test_a_body_that_does_not_arrive(app, monkeypatch):
    monkeypatch.setattr(_bodies, "PATIENCE", 0.05)
    monkeypatch.setattr(_bodies, "_LINGER", 0.05)
    sent, _ = call(app, iter([{"type": "http.request", "body": b"{", "more_body": True}]))
    assert sent[0]["status"] == 408
    assert "expected the whole body within 0 seconds" in json.loads(sent[1]["body"])["error"]


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.INFO, "textcnn.serving")
    return lambda: [json.loads(JsonFormatter().format(record)) for record in caplog.records]


def test_a_client_that_goes_away_is_logged(app, log):
    sent, _ = call(app, iter([{"type": "http.disconnect"}]))
    assert sent == []
    assert [(line["status"], line["path"]) for line in log()] == [(499, "/predict")]


def test_the_log_has_each_request_and_no_text(client, log):
    client.post("/predict?secret", json={"texts": ["a secret", "secret"]})
    client.post("/explain", json={"text": "secret"})
    client.post("/predict", json={"text": ["secret"]})
    client.post("/predict", content=b"secret \xff")
    first, *others = log()
    assert first.pop("time").endswith("Z")
    assert first.pop("ms") > 0
    assert first.pop("process")
    expected = {"level": "info", "message": "request", "method": "POST", "path": "/predict", "status": 200, "texts": 2}
    assert first == expected
    assert [(line["status"], line["texts"]) for line in others] == [(200, 1), (422, 0), (400, 0)]
    assert "secret" not in json.dumps(log())


def test_a_fault_of_the_server(client, log, monkeypatch):
    def fail(self, texts):
        raise ValueError(f"cannot do {texts}")

    monkeypatch.setattr(Predictor, "scores", fail)
    assert error(client, {"text": "secret"}) == (500, "the server failed; its log says where")
    failed, request = log()
    assert (failed["level"], failed["message"], failed["exception"]) == ("error", "a request failed", "ValueError")
    assert failed["at"][-1].endswith(" fail")
    assert (request["status"], request["path"]) == (500, "/predict")
    assert "secret" not in json.dumps([failed, request])


def test_scores_that_are_not_finite(client, monkeypatch):
    def fail(self, texts):
        raise ModelError("expected finite scores, found an overflow")

    monkeypatch.setattr(Predictor, "scores", fail)
    assert error(client, {"text": "good"}) == (500, "expected finite scores, found an overflow")


def test_health(client):
    found = client.get("/health").json()
    assert (found["status"], found["model"]["classes"], found["model"]["architecture"]) == ("ok", ["no", "yes"], "kim")


def test_the_openapi_document_describes_requests_and_answers(client, app):
    document = client.get("/openapi.json").json()
    assert [*document["paths"]] == [route.path for route in app.routes]
    for path, body in (("/predict", {"texts": MIXED, "top_k": 2, "proba": True}), ("/explain", {"texts": MIXED})):
        operation = document["paths"][path]["post"]
        request = operation["requestBody"]["content"]["application/json"]["schema"]["properties"]
        assert set(body) <= set(request)
        assert client.post(path, json=operation["requestBody"]["content"]["application/json"]["example"]).is_success
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
        ((key, found),) = client.post(path, json=body).json().items()
        described = answer[key]["items"]["properties"]
        assert set().union(*found) == set(described)
        assert {"400", "408", "413", "422", "500"} < set(operation["responses"])
    assert set(client.get("/health").json()) == set(
        document["paths"]["/health"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    )
    assert "more than 10,000 texts" in json.dumps(document)


def test_the_page_loads_nothing(client):
    answer = client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    for name in ("POST /predict", "POST /explain", "GET /metrics", "min_confidence", "0 to 1", '{"texts": ["not bad'):
        assert name in answer.text.replace("&#34;", '"'), name
    for loading in ("<script", "<link", "src=", "@import", "url("):
        assert loading not in answer.text


def test_an_app_can_be_mounted(served, app):
    client = TestClient(Starlette(routes=[Mount("/sentiment", app=app)]))
    assert client.post("/sentiment/predict", json={"text": "good"}).json()["predictions"]
    assert error(client, b"", "/sentiment/predit")[1].endswith("found '/predit'; nearest to '/predit': /predict")
    assert 'path="/predict"' in client.get("/sentiment/metrics").text


def test_small_and_large_bodies_are_answered_alike(client, monkeypatch):
    inside = predictions(client, texts=MIXED)
    monkeypatch.setattr(_app, "AT_ONCE", 0)
    assert predictions(client, texts=MIXED) == inside
    assert error(client, b"{")[0] == 400


def test_serving_loads_neither_torch_nor_scikit_learn(served):
    code = f"""
import sys
from starlette.testclient import TestClient
from textcnn.serving import make_app
client = TestClient(make_app({str(served / "one")!r}))
assert client.post("/predict", json={{"text": "good"}}).status_code == 200
assert client.post("/explain", json={{"text": "good"}}).status_code == 200
assert client.get("/metrics").status_code == 200
import textcnn.serving._workers, textcnn.serving._server
print(*{{"torch", "sklearn", "datasets", "gensim", "rich", "matplotlib"}} & set(sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"


def test_a_missing_library_is_named_with_its_installation(served, monkeypatch):
    monkeypatch.setattr(serving, "find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(ValueError) as raised:
        make_app(served / "one")
    assert str(raised.value) == (
        "serve: expected the libraries starlette, uvicorn and prometheus-client, found no uvicorn; "
        "install them: pip install 'textcnn[serve]'"
    )
