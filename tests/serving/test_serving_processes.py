"""`textcnn serve` as real processes: signals, workers, a busy port."""

import contextlib
import http.client
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from textcnn import load_model
from textcnn.serving._server import listen

TEXTS = ["a good film", "bad jokes", "good good bad", "", "fun for all"]
WAIT = 60  # seconds for what takes less than one

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")


class Server:
    """A running `textcnn serve`."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "textcnn", "serve", "--port", "0", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.SimpleQueue()
        self.connections = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.port = int(self.until("serving")["url"].rpartition(":")[2])

    def _read(self):
        for line in self.process.stderr:
            self.lines.put(line)

    def until(self, message):
        """Read the log until a message, and return its line."""
        while True:
            line = json.loads(self.lines.get(timeout=WAIT))
            if line["message"].startswith(message):
                return line

    def connect(self):
        self.connections.append(http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT))
        return self.connections[-1]

    def send(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        """Send a signal; return the exit status and what was written to stdout."""
        self.send(number)
        return self.process.wait(WAIT), self.process.stdout.read()


@contextlib.contextmanager
def running(*arguments):
    server = Server(*arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            server.process.wait(WAIT)
        server.reader.join(WAIT)
        for connection in server.connections:
            connection.close()
        server.process.stdout.close()
        server.process.stderr.close()


def ask(connection, text=TEXTS[0]):
    """The probability of `yes`."""
    connection.request("POST", "/predict", json.dumps({"texts": [text], "proba": True}))
    answer = connection.getresponse()
    content = json.loads(answer.read())
    assert answer.status == 200, content
    return content["predictions"][0]["probabilities"]["yes"]


def get(connection, path):
    connection.request("GET", path)
    return connection.getresponse().read().decode()


@pytest.fixture
def folder(served, tmp_path):
    return shutil.copytree(served / "one", tmp_path / "model")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_it_serves_until_a_signal(served, model, number, workers):
    with running("-m", served / "one", "--workers", workers) as server:
        assert ask(server.connect()) == pytest.approx(model.predict_proba(TEXTS[:1])[0, 1], abs=1e-6)
        assert server.end(number) == (0, "")
        assert server.until("stopped")["level"] == "info"


@pytest.mark.parametrize("workers", [1, 2])
def test_a_request_in_flight_is_answered_before_it_ends(served, workers):
    with running("-m", served / "one", "--workers", workers) as server:
        for _ in range(workers if workers > 1 else 0):
            server.until("worker ready")
        body = json.dumps({"texts": TEXTS}).encode()
        head = f"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\nexpect: 100-continue\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), WAIT) as connection:
            connection.sendall(head.encode() + body[:5])
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # the app reads the body
            server.send(signal.SIGTERM)
            time.sleep(0.3)
            assert server.process.poll() is None
            connection.sendall(body[5:])
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            assert (answer.status, len(json.loads(answer.read())["predictions"])) == (200, len(TEXTS))
            answer.close()
        assert server.process.wait(WAIT) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_while_the_model_is_replaced(served, folder, workers):
    models = [load_model(served / name) for name in ("one", "other")]
    expected = np.array([each.predict_proba(TEXTS)[:, 1] for each in models])  # (models, texts)
    assert np.abs(expected[0] - expected[1]).min() > 1e-4
    answers, failures, done = [], [], threading.Event()

    def client():
        connection = server.connect()
        try:
            while not done.is_set():
                for row, text in enumerate(TEXTS):
                    answers.append((row, ask(connection, text)))
        except Exception as error:
            failures.append(error)

    with running("-m", folder, "--workers", workers) as server:
        threads = [threading.Thread(target=client) for _ in range(4)]
        for thread in threads:
            thread.start()
        for turn in range(10):
            models[(turn + 1) % 2].save(folder, overwrite=True)
            server.send(signal.SIGHUP)
            for _ in range(workers):
                server.until("reloaded")
        done.set()
        for thread in threads:
            thread.join(WAIT)
        assert server.end() == (0, "")
    assert failures == []
    rows, found = np.array([row for row, _ in answers]), np.array([value for _, value in answers])
    near = np.abs(expected[:, rows] - found) < 1e-5  # (models, answers)
    assert (near.sum(axis=0) == 1).all()
    assert near.any(axis=1).all()  # both models answered


def test_a_model_that_vanishes_keeps_serving(folder):
    with running("-m", folder) as server:
        connection = server.connect()
        before = ask(connection)
        shutil.rmtree(folder)
        server.send(signal.SIGHUP)
        line = server.until("reload failed")
        assert line["level"] == "error"
        assert str(folder) in line["message"]
        assert ask(connection) == before
        assert 'textcnn_reloads_total{result="failed"} 1.0' in get(connection, "/metrics")


def test_metrics_are_those_of_all_workers(served):
    with running("-m", served / "one", "--workers", 2) as server:
        workers = {server.until("worker ready")["process"] for _ in range(2)}
        asked = 0
        while workers or asked < 20:  # until both have answered
            ask(server.connect())
            workers.discard(server.until("request")["process"])
            asked += 1
        metrics = get(server.connect(), "/metrics")
        assert f'textcnn_requests_total{{path="/predict",status="200"}} {asked}.0' in metrics
        assert f'textcnn_request_seconds_count{{path="/predict"}} {asked}.0' in metrics
        assert f'textcnn_texts_total{{path="/predict"}} {asked}.0' in metrics
        assert 'textcnn_model_info{architecture="kim",classes="2"} 2.0' in metrics


def test_a_worker_that_dies_is_replaced(served):
    with running("-m", served / "one", "--workers", 2) as server:
        first = server.until("worker ready")["process"]
        os.kill(first, signal.SIGKILL)
        assert server.until("a worker died")["message"].endswith(f"process {first}, exit -9")
        assert server.until("worker ready")["process"] != first
        for _ in range(5):
            ask(server.connect())
        assert server.end() == (0, "")


def test_workers_end_with_a_parent_that_is_killed(served):
    with running("-m", served / "one", "--workers", 2) as server:
        for _ in range(2):
            server.until("worker ready")
        server.send(signal.SIGKILL)
        server.process.wait(WAIT)
        for _ in range(2):
            server.until("stopped")


def test_a_hangup_while_workers_start_is_not_lost(served):
    with running("-m", served / "one", "--workers", 2) as server:
        server.send(signal.SIGHUP)
        for _ in range(2):
            server.until("reloaded")
        assert server.end() == (0, "")


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "textcnn", "serve", *map(str, arguments)], capture_output=True, text=True, timeout=WAIT
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_busy_port(served, workers):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("-m", served / "one", "--port", port, "--workers", workers)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"Error: expected to listen at http://127.0.0.1:{port}, found that it cannot be: Address already in use; "
        "choose another --port or --host\n"
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_a_folder_without_a_model(tmp_path, workers):
    ended = run("-m", tmp_path / "nowhere", "--port", 0, "--workers", workers)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(r"Error: .*nowhere: .*\n", ended.stderr)


def test_an_unknown_host(served):
    ended = run("-m", served / "one", "--host", "no such host")
    assert ended.returncode == 2
    assert ended.stderr.startswith("Error: --host: expected a name or address of this machine, found 'no such host': ")
    assert ended.stderr.count("\n") == 1


def test_answers_are_not_delayed():
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio turns Nagle's algorithm off only where it reads this
        with socket.create_connection(listener.getsockname()):
            pass
