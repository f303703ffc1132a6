"""`-m user/name` in the commands, and a process that finds the hub by its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from textcnn.cli import cli


@pytest.fixture
def published(hub, contents):
    hub.add("user/name", contents)
    return hub


def run(*arguments):
    return CliRunner().invoke(cli, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "-m", "MODEL", "not bad at all"),
        ("explain", "-m", "MODEL", "not bad at all"),
        ("evaluate", "films.csv", "-m", "MODEL"),
        ("suggest", "films.csv", "-m", "MODEL", "-n", "1"),
        ("filters", "films.csv", "-m", "MODEL", "--most", "1"),
        ("compare", "MODEL", "MODEL", "films.csv"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_commands_do_the_same_with_a_model_on_the_hub(published, arguments):
    Path("films.csv").write_text("text,label\na good film,positive\na waste,negative\n")
    outputs = []
    for model in ("saved", "user/name", "user/name@main"):
        ended = run(*(model if each == "MODEL" else each for each in arguments))
        assert ended.exit_code == 0, ended.output
        outputs.append(ended.stdout.replace(model, "MODEL"))
    assert outputs[0]
    assert len({*outputs}) == 1


def test_a_report_and_an_export(published):
    Path("films.csv").write_text("text,label\na good film,positive\na waste,negative\n")
    assert run("report", "films.csv", "-m", "user/name").exit_code == 0
    assert Path("report.html").exists()
    pytest.importorskip("onnx")
    assert run("export", "user/name").exit_code == 0
    assert Path("model.onnx").exists()


def test_another_process(published):
    def call(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "-m", "textcnn", *arguments],
            env={**os.environ, "HF_HOME": str(Path("home").absolute()), "HF_HUB_DISABLE_XET": "1", **environment},
            capture_output=True,
            text=True,
        )

    ended = call("predict", "-m", "user/name", "not bad", HF_ENDPOINT=published.address)
    local = call("predict", "-m", "saved", "not bad", HF_ENDPOINT="http://127.0.0.1:9")
    assert (ended.returncode, ended.stderr, ended.stdout) == (0, "", local.stdout)
    offline = call("predict", "-m", "user/name", "not bad", HF_HUB_OFFLINE="1", HF_ENDPOINT="http://127.0.0.1:9")
    assert (offline.returncode, offline.stderr, offline.stdout) == (0, "", local.stdout)
    refused = call("predict", "-m", "user/none", "not bad", HF_ENDPOINT=published.address)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "Error: expected a model on the Hugging Face hub, but there is no user/none, or it is not public; correct the "
        "name or log in to the hub; for a folder, give its path\n"
    )
    unreachable = call("predict", "-m", "user/none", "not bad", HF_ENDPOINT="http://127.0.0.1:9")
    assert (unreachable.returncode, unreachable.stdout) == (2, "")
    assert unreachable.stderr.startswith("Error: user/none: expected a folder or a model on the hub, found no such ")
    assert unreachable.stderr.count("\n") == 1
