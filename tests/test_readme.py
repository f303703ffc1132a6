"""The README does what it says: its Python twice, its shell blocks in order; and the examples in docstrings."""

import contextlib
import doctest
import importlib
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import textcnn
from textcnn.cli import _COMMANDS, cli

README = Path(__file__).parents[1] / "README.md"
WITH_EXAMPLES = ("textcnn.model", "textcnn.estimator", "textcnn.nn.kim", "textcnn.nn.dcnn", "textcnn.serving")
INSTALLING = re.compile(r"python3 -m venv|\. \.venv|pip install|pytest")
SHELL = re.compile(r"&&|[|<>$]")
# The corpora's original files, models on the hub, a second machine.
NOT_HERE = re.compile(r"--data-dir|--from-transformer|user/name|--nnodes")

pytestmark = pytest.mark.skipif(not README.exists(), reason="the README is not here")


def blocks(language):
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands():
    """The lines of the shell blocks without those that install, or need what is not here."""
    for line in "".join(blocks("bash")).splitlines():
        parts = [part for part in line.split(" && ") if not INSTALLING.match(part)]
        if parts and not NOT_HERE.search(line):
            yield " && ".join(parts)


@contextlib.contextmanager
def working_in(path):
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def free_port():
    """A port that nothing listens on: tests may run beside one another."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


def stop(server):
    server.terminate()
    assert server.wait(60) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A fresh folder with the files that the README takes for the reader's, in which all commands were run in order.

    A shell runs what is more than a call of textcnn, this process the others, which saves the imports.
    """
    path = tmp_path_factory.mktemp("reader")
    header, *rows = (Path(textcnn.__file__).parent / "data" / "sample.csv").read_text(encoding="utf-8").splitlines()
    for name, part in (("reviews.csv", rows[:60]), ("held-out.csv", rows[60:80])):
        (path / name).write_text("\n".join([header, *part]) + "\n", encoding="utf-8")
    columns = [row.split(",", 4) for row in rows[:60]]  # split, label, topic, kind, text
    several = [f"{label};{topic},{text}" for _, label, topic, _, text in columns]
    (path / "topics.csv").write_text("\n".join(["label,text", *several]) + "\n", encoding="utf-8")
    (path / "unlabelled.txt").write_text("\n".join(rows[:150]), encoding="utf-8")
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": search}
    with working_in(path), contextlib.ExitStack() as servers:
        port = free_port()
        for number, line in enumerate(commands()):
            line = line.replace("8000", port)
            if line.endswith(" &"):  # a server
                servers.callback(stop, subprocess.Popen(shlex.split(line)[:-1], env=environment))
                continue
            if number and "textcnn train" in line:
                line += " --no-report"  # a page costs seconds: one is enough
            if line.startswith("textcnn ") and not SHELL.search(line):
                ended = CliRunner().invoke(cli, shlex.split(line)[1:])
                assert ended.exit_code == 0, f"{line}\n{ended.output}"
            else:
                done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True)
                assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return path


def test_shell_blocks_run_in_order(folder):
    for name in ("textcnn-model", "my-model", "vectors-model", "reviews-model", "dcnn-model"):
        assert (folder / name / "config.json").exists()
    for name in ("textcnn-model/report.html", "labelled.csv", "why.html", "report.html", "graph.svg"):
        assert (folder / name).stat().st_size


def test_every_command_is_shown():
    assert {line.split("textcnn ")[1].split(" ")[0] for line in commands() if "textcnn " in line} == set(_COMMANDS)


def test_python_blocks_run_twice(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    code = "\n".join(blocks("python"))
    for _ in range(2):
        exec(compile(code, "README.md", "exec"), {})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) % 2 == 0
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_docstrings(name, folder, monkeypatch):
    monkeypatch.chdir(folder)  # where `textcnn-model` is
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs={"textcnn": textcnn}, optionflags=doctest.ELLIPSIS)
    assert found.attempted
    assert not found.failed


def test_links_lead_somewhere():
    pages = [README, README.parent / "experiments" / "README.md"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            path, _, heading = target.partition("#")
            other = (page.parent / path) if path else page
            assert other.exists(), f"{page}: {target}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in headings}
                assert heading in anchors, f"{page}: {target}"
