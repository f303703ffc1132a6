"""The allowed imports: a module imports only from what stands before it on the way from text to label."""

import ast
from pathlib import Path

import pytest

import textcnn

ROOT = Path(textcnn.__file__).parent

# Module or package -> what of textcnn it may import.
ALLOWED = {
    "__init__": {"data", "estimator", "inference", "nn", "vectors", "version"},
    "__main__": {"cli"},
    "errors": set(),
    "files": {"errors"},
    "columns": {"errors"},
    "version": set(),
    "kernels": {"kernels"},
    "threads": set(),
    "characters": set(),
    "config": {"errors"},
    "data": {"data", "errors"},
    "text": {"characters", "config", "errors", "kernels"},
    "ngrams": {"kernels", "text"},
    "calibration": set(),
    "neighbours": {"text"},
    "encoding": {"characters", "kernels", "text"},
    "vectors": {"columns", "files", "vectors", "config", "errors", "text"},
    "batching": {"kernels", "text"},
    "nn": {"kernels", "ngrams", "nn", "config", "text"},
    "metrics": set(),
    "training": {"training", "files", "kernels", "nn", "batching", "config", "errors", "metrics", "text"},
    "artifact": {"config", "errors", "text", "version"},
    "scorers": {"config", "kernels", "text"},
    "explain": {
        "artifact",
        "columns",
        "config",
        "encoding",
        "explain",
        "inference",
        "kernels",
        "neighbours",
        "ngrams",
        "nn",
        "scorers",
        "text",
    },
    "inference": {
        "calibration",
        "columns",
        "artifact",
        "encoding",
        "explain",
        "ngrams",
        "nn",
        "scorers",
        "text",
        "threads",
    },
    "report": {
        "artifact",
        "calibration",
        "config",
        "explain",
        "files",
        "inference",
        "metrics",
        "neighbours",
        "report",
        "scorers",
        "version",
    },
    "settings": {"config", "errors"},
    "transfer": {"artifact", "config", "errors", "nn", "settings", "text", "vectors"},
    "pipeline": {
        "calibration",
        "neighbours",
        "scorers",
        "settings",
        "artifact",
        "config",
        "data",
        "encoding",
        "errors",
        "metrics",
        "ngrams",
        "nn",
        "text",
        "training",
        "transfer",
        "vectors",
    },
    "crossval": {
        "artifact",
        "files",
        "config",
        "data",
        "errors",
        "inference",
        "metrics",
        "pipeline",
        "settings",
        "training",
    },
    "estimator": {"columns", "errors", "explain", "inference", "pipeline", "settings", "text", "training"},
    "writers": {"errors", "inference"},
    "cli": {
        "cli",
        "artifact",
        "config",
        "crossval",
        "data",
        "errors",
        "explain",
        "files",
        "inference",
        "metrics",
        "pipeline",
        "report",
        "settings",
        "text",
        "training",
        "transfer",
        "vectors",
        "version",
        "writers",
    },
}
# Libraries that cost seconds to import, or that a layer must not know.
FOREIGN = {
    "torch": {"nn", "batching", "training", "transfer", "pipeline", "explain"},
    "sklearn": {"metrics", "estimator", "report"},
    "matplotlib": {"report"},
    "jinja2": {"explain", "report"},
    "datasets": {"data", "cli"},
    "gensim": {"vectors"},
    "rich": {"cli"},
    "click": {"cli", "explain"},
}


def place(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path):
    """(module, name imported from it or None) of every import in a file, those in functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.module, alias.name) for alias in node.names)


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_stands_before_it(path):
    here = place(path)
    assert here in ALLOWED, f"add {here} to the table"
    for module, name in imports(path):
        top, _, rest = module.partition(".")
        if top == "textcnn":
            target = rest.split(".")[0] or name
            assert target in ALLOWED[here], f"{here} imports {module}"
        elif top in FOREIGN:
            assert here in FOREIGN[top], f"{here} imports {module}"
        assert top != "pickle", f"{path}: pickle"


def test_only_the_command_line_prints():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", path


def test_modules_stay_small():
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 520, path


def test_public_names():
    for name in textcnn.__all__:
        assert getattr(textcnn, name).__name__ == name
    assert isinstance(textcnn.__version__, str)
    with pytest.raises(AttributeError, match="module 'textcnn' has no attribute 'nothing'"):
        _ = textcnn.nothing
