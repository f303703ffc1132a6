import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import textcnn
from textcnn.kernels._loading import compiled_elsewhere


def installed(path, *, compiled):
    """A folder of packages with a textcnn."""
    (path / "textcnn/kernels").mkdir(parents=True)
    if compiled:
        (path / f"textcnn/kernels/_kernels{EXTENSION_SUFFIXES[0]}").touch()
    (path / "textcnn-9.dist-info").mkdir()
    (path / "textcnn-9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: textcnn\nVersion: 9\n")
    return path


def test_a_compiled_copy_is_found_elsewhere_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(installed(tmp_path / "plain", compiled=False))])
    assert compiled_elsewhere(tmp_path) is None
    other = installed(tmp_path / "other", compiled=True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(other)])
    assert compiled_elsewhere(tmp_path) == other / "textcnn"
    assert compiled_elsewhere(other / "textcnn/kernels") is None


def test_a_source_tree_that_hides_it_says_so(tmp_path):
    ignored = shutil.ignore_patterns("_kernels.*", "__pycache__")
    shutil.copytree(Path(textcnn.__file__).parent, tmp_path / "tree/textcnn", ignore=ignored)
    other = installed(tmp_path / "other", compiled=True)
    command = [sys.executable, "-c", "import textcnn.kernels; print(textcnn.kernels.compiled)"]
    environment = {**os.environ, "PYTHONPATH": str(other)}
    ended = subprocess.run(command, cwd=tmp_path / "tree", env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"textcnn is imported from {tmp_path / 'tree/textcnn'}, whose loops are not compiled")
