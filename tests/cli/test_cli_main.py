from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pyarrow as pa
import pytest

from textcnn.cli import cli
from textcnn.cli.suggestions import Source
from textcnn.errors import TextCNNError
from textcnn.inference.predictor import Predictor
from textcnn.targets import ONE_CLASS

GROUP = click.Context(cli, **cli.context_settings)
COMMANDS = cli.list_commands(GROUP)
HEAVY = {"torch", "sklearn", "datasets", "pandas", "gensim", "rich", "matplotlib"}


def loaded(code: str) -> set[str]:
    """Heavy packages that are loaded once `code` has run in a new Python."""
    code += f"\nimport sys\nprint(*sorted({HEAVY!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ended.stdout.splitlines()[-1].split())


def command(*args: object) -> str:
    """Code that runs a command and goes on."""
    return (
        "import sys, contextlib\n"
        f"sys.argv = {['textcnn', *map(str, args)]!r}\n"
        "from textcnn.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main()\n"
    )


def test_importing_the_package_loads_nothing_heavy():
    assert loaded("import textcnn") == set()


def test_help_loads_nothing_heavy():
    assert loaded(command("--help")) == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_help_loads_nothing_heavy(name):
    assert loaded(command(name, "--help")) == set()


def test_predict_loads_nothing_heavy(model):
    forms = ("text", "json", "csv")
    code = [command("predict", "-m", model, "--format", form, "--proba", "what a fine film") for form in forms]
    assert loaded("".join(code)) == set()


def test_train_refuses_a_file_before_torch_is_loaded(tmp_path):
    assert loaded(command("train", "nowhere.csv", "-o", tmp_path / "m")) & {"torch", "sklearn", "datasets"} == set()


def test_predict_of_a_file_does_not_load_rich(model, reviews, tmp_path):
    names = loaded(command("predict", "-m", model, "--input", reviews, "--output", tmp_path / "out.csv"))
    assert names & {"torch", "sklearn", "datasets", "rich"} == set()
    assert (tmp_path / "out.csv").exists()


def test_a_call_without_arguments_is_answered_with_help_on_stderr(textcnn):
    ended = textcnn()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("Usage: textcnn [OPTIONS] COMMAND [ARGS]...\n")


def test_help_names_every_command(textcnn):
    ended = textcnn("--help")
    assert (ended.code, ended.err) == (0, "")
    assert re.findall(r"^  (\w+)  +\S", ended.out.partition("Commands:\n")[2], re.MULTILINE) == COMMANDS
    assert {"train", "predict", "evaluate", "data"} <= set(COMMANDS)
    assert textcnn("-h").out == ended.out


@pytest.mark.parametrize(("compiled", "shown"), [(True, "compiled"), (False, "without compiled loops")])
def test_version_tells_whether_the_loops_are_compiled(textcnn, monkeypatch, compiled, shown):
    monkeypatch.setattr("textcnn.kernels.compiled", compiled)
    assert re.fullmatch(rf"textcnn \S+ \({shown}\)\n", textcnn("--version").out)


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_fits_80_columns(textcnn, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    lines = textcnn(*[name] if name else [], "--help").out.splitlines()
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_examples_groups_and_each_default_once(name):
    found = cli.get_command(GROUP, name)
    context = click.Context(found, GROUP, info_name=name)
    text = found.get_help(context)
    assert f"  textcnn {name}" in text.partition("Examples:\n")[2]
    assert "\nOther:\n  -h, --help" in text
    for option in found.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.get_help_record(context)[1].count("[") <= 1, option.name


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["predict", "--top-k", "0"], "Invalid value for '--top-k': 0 is not in the range x>=1"),
        (["train", "--patience", "x"], "Invalid value for '--patience': 'x' is not a valid integer"),
        (["evaluate", "a", "b"], "Got unexpected extra argument (b)"),
    ],
)
def test_a_wrong_call_is_one_line(textcnn, args, message):
    ended = textcnn(*args)
    assert (ended.code, ended.out, ended.err) == (2, "", f"Error: {message} (see textcnn {args[0]} --help)\n")


@pytest.mark.parametrize(
    ("args", "near"),
    [
        (["trian"], "nearest to 'trian': train "),
        (["fit"], "nearest: train "),
        (["xyz"], "expected train, distill, tune, predict, "),
        (["predict", "--ouput", "x"], "'--ouput'; nearest: --output, --input "),
        (["train", "--epoch", "3"], "'--epoch'; nearest: --epochs "),
        (["train", "--lr", "0.1"], "'--lr'; nearest: --learning-rate "),
        (["train", "--lr=0.1"], "'--lr'; nearest: --learning-rate "),
        (["train", "-lr", "0.1"], "'-lr'; nearest: --learning-rate "),
        (["train", "--batch_size", "8"], "'--batch_size'; nearest: --batch-size "),
        (["train", "--max_epochs", "8"], "'--max_epochs'; nearest: --epochs "),
        (["train", "--random-state", "8"], "'--random-state'; nearest: --seed "),
        (["train", "--embeddings", "8"], "'--embeddings'; nearest: --vectors "),
        (["train", "--no-repot"], "'--no-repot'; nearest: --no-report"),
        (["train", "--verbose"], "'--verbose' "),
        (["train", "--" + "x" * 100_000], " ... "),
        (["x" * 100_000], " ... "),
        (["--verbose"], ""),
    ],
)
def test_an_unknown_name_is_one_line_with_the_nearest(textcnn, args, near):
    ended = textcnn(*args)
    assert (ended.code, ended.out) == (2, "")
    assert re.fullmatch(r"Error: No such (command|option):? .*\(see textcnn.* --help\)\n", ended.err)
    assert near in ended.err
    assert len(ended.err) < 600


def test_aliases_lead_to_one_option_each():
    for name in COMMANDS:
        options = cli.get_command(GROUP, name).params
        flags = [flag for option in options for flag in (*option.opts, *option.secondary_opts)]
        aliases = [f"--{alias}" for option in options for alias in {*getattr(option, "aliases", ())}]
        assert len(aliases) == len({*aliases})
        for option in options:
            assert {f"--{alias}" for alias in getattr(option, "aliases", ())} & {*flags} <= {*option.opts}


def complete(*words: str, folder: Path) -> list[str]:
    """What the shell is told to complete the last word to."""
    environment = {
        **os.environ,
        "_TEXTCNN_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(["textcnn", *words]),
        "COMP_CWORD": str(len(words)),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-m", "textcnn"]
    ended = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    return ended.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["pre"], ["plain,predict"]),
        (["train", "--lear"], ["plain,--learning-rate"]),
        (["train", "--pooling", "k"], ["plain,k-max"]),
        (["train", "rev"], ["file,rev"]),
        (["train", "tr"], ["plain,trec"]),
        (["train", "su"], ["file,su"]),  # where a file begins like a corpus
        (["train", "--test", "rev"], ["file,rev"]),
        (["evaluate", "-m", "tex"], ["file,tex"]),
        (["predict", "--input", "rev"], ["file,rev"]),
        (["vectors", "a.csv", "rev"], ["file,rev"]),
    ],
)
def test_the_shell_completes_commands_options_and_files(tmp_path, words, completed):
    (tmp_path / "summary.csv").touch()
    assert complete(*words, folder=tmp_path) == completed


def test_every_option_of_a_file_is_completed():
    for name in COMMANDS:
        for parameter in cli.get_command(GROUP, name).params:
            if parameter.metavar in ("FILE", "FOLDER", "MODEL") or parameter.name in ("data", "source", "sources"):
                assert isinstance(parameter.type, click.Path | Source), parameter.name


def test_trains_help_shows_the_basic_options_and_help_all_the_others(textcnn):
    short, full = (re.findall(r"^  (?:-\w, )?(--[\w-]+)", textcnn("train", flag).out, re.MULTILINE) for flag in
                   ("--help", "--help-all"))  # fmt: skip
    assert 10 <= len(short) <= 16
    assert {"--output", "--test", "--epochs", "--learning-rate", "--help", "--help-all"} <= {*short}
    assert {*short} < {*full}
    train = cli.get_command(GROUP, "train")
    names = [option.opts[-1] for option in train.get_params(click.Context(train, GROUP))]
    assert {*full} == {name for name in names if name.startswith("--")}
    assert {*train.basic} < {option.name for option in train.params}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (TextCNNError("expected this, found that"), 2, "Error: expected this, found that\n"),
        (OSError(28, "No space left on device"), 2, "Error: No space left on device\n"),
        (PermissionError(13, "Permission denied", "a.csv"), 2, "Error: a.csv: Permission denied\n"),
        (KeyboardInterrupt(), 130, "\nError: interrupted\n"),
    ],
)
def test_errors_are_one_line(textcnn, monkeypatch, error, code, message):
    def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr("textcnn.cli.predict._predict_texts", fail)
    artifact = SimpleNamespace(thresholds=None)
    model = SimpleNamespace(classes_=np.array(["a", "b"]), target=ONE_CLASS, artifact=artifact)
    monkeypatch.setattr("textcnn.model.load_model", lambda path: model)
    ended = textcnn("predict", "a text")
    assert (ended.code, ended.out, ended.err) == (code, "", message)


def test_a_defect_keeps_its_traceback(monkeypatch):
    def fail(path: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("textcnn.model.load_model", fail)
    monkeypatch.setattr(sys, "argv", ["textcnn", "predict", "a text"])
    from textcnn.cli import main

    with pytest.raises(ZeroDivisionError):
        main()


def test_a_terminal_that_cannot_show_a_character_is_no_error(reviews, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(reviews.read_text(encoding="utf-8").replace("!", "\N{GRINNING FACE}"), encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-c", command("data", path)],
        capture_output=True,
        text=True,
        env={"PYTHONIOENCODING": "latin-1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=True,
    )
    assert "  positive: What a fine film, number 0\\U0001f600\n" in ended.stdout


def test_the_module_runs_as_the_command():
    ended = subprocess.run([sys.executable, "-m", "textcnn", "train", "nowhere.csv"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert re.fullmatch(r"Error: expected a corpus \(.*\), a file.*, found 'nowhere.csv'.*\n", ended.stderr)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        MemoryError("std::bad_alloc"),
        pa.ArrowMemoryError("malloc of size 64 failed"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: not enough memory: you tried ..."),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
    ],
    ids=repr,
)
def test_an_allocation_that_fails_is_one_line(textcnn, model, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(Predictor, "logits", fail)
    ended = textcnn("predict", "-m", model, "a fine film")
    assert ended.code == 1
    assert re.fullmatch(r"Error: not enough memory \(.+\); give less at once, or free some\n", ended.err)


def test_other_faults_of_the_program_stay_visible(textcnn, model, monkeypatch):
    def fail(*args):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Predictor, "logits", fail)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        textcnn("predict", "-m", model, "a fine film")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of the address space that is kept")
@pytest.mark.parametrize("megabytes", [60, 30])
def test_a_limit_of_memory_ends_a_command_in_one_line(model, megabytes):
    """The text alone passes the limit, which is what is in use after loading and so many megabytes."""
    code = (
        "import resource, re, sys\nfrom pathlib import Path\n"
        "import textcnn.model, textcnn.cli.predict, textcnn.cli.writers, textcnn.data.lines, textcnn.data.decoding\n"
        "used = int(re.search(r'VmSize:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) << 10\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + ({megabytes} << 20),) * 2)\n"
        f"sys.argv = ['textcnn', 'predict', '-m', {str(model)!r}]\n"
        "from textcnn.cli import main\nmain()"
    )
    text = b"a fine film " * 10_000_000
    ended = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True)
    assert ended.returncode == 1
    assert re.fullmatch(rb"Error: not enough memory \(.+\); give less at once, or free some\n", ended.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_completion_is_printed(shell):
    environment = {**os.environ, "_TEXTCNN_COMPLETE": f"{shell}_source"}
    ended = subprocess.run([sys.executable, "-m", "textcnn"], env=environment, capture_output=True, text=True)
    assert (ended.returncode, "_TEXTCNN_COMPLETE" in ended.stdout) == (0, True)


@pytest.mark.parametrize("closed", [{1}, {2}, {1, 2}])
@pytest.mark.parametrize(
    "args",
    [
        "predict -m {model} good",
        "predict -m {model} --input {reviews}",
        "predict -m {model} --input {reviews} --output {tmp}/out.csv",
        "data {reviews}",
        "evaluate {reviews} -m {model}",
        "explain -m {model} good",
        "train {reviews} -o {tmp}/model --dimension 8 --feature-maps 4 --epochs 1 --no-report",
    ],
)
def test_the_exit_code_tells_of_a_closed_stream(model, reviews, tmp_path, args, closed):
    line = args.format(model=model, reviews=reviews, tmp=tmp_path)
    redirected = " ".join(f"{number}>&-" for number in closed)
    ended = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m textcnn {line} {redirected}"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    to_file = "out.csv" in args
    assert ended.returncode == (2 if 1 in closed and not to_file else 0)
    assert "Traceback" not in ended.stderr
    if closed == {1} and not to_file:
        assert ended.stderr.splitlines()[-1].startswith("Error: expected an open standard output to write to")
    assert (tmp_path / "out.csv").exists() == to_file
    assert (tmp_path / "model" / "config.json").exists() == args.startswith("train")


def test_no_error_is_enormous(textcnn, model, reviews, tmp_path):
    long, header = "x" * 120_000, "text,label\n"
    files = {
        "labels.csv": f"{header}fine,{long}\ndull,{long}b\n",
        "class.csv": f"{header}fine,{long}\ndull,{long}\n",
        "columns.csv": f"{long},{long}b\n1,2\n",
        "many.csv": ",".join(f"column{i}" for i in range(20_000)) + "\n",
        "quote.csv": f'{header}"{long}" {long},a\nb,c\n',
        "lines.jsonl": f'{{"text": "{long}", "label": [1]}}\n{{"text": {long}}}\n',
        "fields.csv": header + long + "," * 5000 + "\n",
        "lines.txt": "",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    calls = [
        *(["train", tmp_path / name, "-o", tmp_path / "m", "--epochs", 1] for name in files if name != "labels.csv"),
        ["evaluate", tmp_path / "labels.csv", "-m", model],
        ["train", reviews, "--class-weight", f"{long}=1", "-o", tmp_path / "m"],
        ["train", reviews, "--class-weight", long, "-o", tmp_path / "m"],
        ["train", reviews, "--region-sizes", long, "-o", tmp_path / "m"],
        ["train", reviews, "--optimizer", long],
        ["train", reviews, "--epochs", long],
        ["train", reviews, "--device", long],
        ["train", reviews, "--text-column", long],
        ["train", reviews, "--encoding", long],
        ["train", reviews, "--delimiter", long],
        ["train", reviews, "-o", f"{tmp_path}/{long}"],
        ["train", long],
        ["train", f"user/{long}:"],
        ["predict", "-m", long, "good"],
        ["predict", "-m", model, "--input", long],
        ["predict", "-m", model, "--input", reviews, "--output", f"{long}.csv"],
        ["filters", reviews, "-m", model, "--word", long],
        ["explain", "-m", model, "good", "-o", long],
        ["data", long],
    ]
    for call in calls:
        ended = textcnn(*call)
        assert ended.code == 2, call[:2]
        assert ended.err.count("\n") <= 3, ended.err[:500]
        assert len(ended.err) < 1500, (call[0], len(ended.err), ended.err[:300])
