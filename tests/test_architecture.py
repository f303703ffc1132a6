"""The allowed imports: a room (a package or a top-level module) imports only from rooms below it."""

import ast
import graphlib
from collections import Counter
from pathlib import Path

import pytest

import textcnn
from textcnn.settings.architectures import ARCHITECTURES

ROOT = Path(textcnn.__file__).parent

# Room -> the rooms that it imports.
ALLOWED = {
    "errors": set(),
    "version": set(),
    "kernels": set(),
    "metrics": set(),
    "targets": {"metrics"},
    "files": {"errors"},
    "hub": {"errors"},
    "settings": {"errors"},
    "data": {"errors", "files", "hub", "targets"},
    "text": {"errors", "kernels", "settings"},
    "vectors": {"errors", "files", "hub", "settings", "text"},
    "nn": {"kernels", "settings", "text"},
    "inference": {"errors", "files", "hub", "kernels", "metrics", "settings", "targets", "text", "version"},
    "export": {"errors", "files", "inference", "settings", "targets", "text", "version"},
    "explain": {"errors", "inference", "nn", "settings", "targets", "text", "vectors"},
    "report": {"data", "explain", "files", "inference", "metrics", "settings", "targets", "text", "vectors", "version"},
    "training": {
        "data",
        "errors",
        "files",
        "inference",
        "kernels",
        "metrics",
        "nn",
        "settings",
        "targets",
        "text",
        "vectors",
    },
    "publishing": {"errors", "hub", "inference", "report"},
    "model": {
        "data",
        "errors",
        "explain",
        "export",
        "files",
        "inference",
        "publishing",
        "report",
        "settings",
        "targets",
        "text",
    },
    "audit": {"data", "errors", "files", "report", "settings", "text", "training"},
    "comparison": {"errors", "inference", "targets", "text"},
    "selection": {"data", "inference", "model", "text"},
    "estimator": {"data", "errors", "explain", "inference", "model", "settings", "targets", "text", "training"},
    "run": {"data", "errors", "files", "inference", "model", "report", "settings", "training"},
    "distillation": {
        "data",
        "errors",
        "files",
        "hub",
        "inference",
        "model",
        "run",
        "settings",
        "targets",
        "text",
        "training",
        "vectors",
    },
    "serving": {"errors", "inference", "model", "report", "targets", "text", "version"},
    "spark": {"errors", "inference", "model", "targets", "text"},
    "ray": {"data", "errors", "inference", "model"},
    "tuning": {"data", "errors", "inference", "report", "run", "settings", "training"},
    "cli": {
        "audit",
        "comparison",
        "data",
        "distillation",
        "errors",
        "explain",
        "export",
        "files",
        "inference",
        "kernels",
        "metrics",
        "model",
        "report",
        "run",
        "selection",
        "serving",
        "settings",
        "targets",
        "text",
        "training",
        "tuning",
        "vectors",
        "version",
    },
    "__init__": {"data", "distillation", "errors", "estimator", "model", "nn", "settings", "vectors"},
    "__main__": {"cli"},
}
# Libraries that cost seconds to import, or that a room must not know, and the rooms that use them.
FOREIGN = {
    "torch": {"distillation", "nn", "training", "explain", "targets", "vectors"},
    "sklearn": {"model", "estimator", "report", "selection"},
    "cleanlab": {"audit"},
    "onnx": {"export"},
    "onnxruntime": set(),
    "scipy": {"audit", "comparison", "report", "text", "training"},
    "matplotlib": {"report"},
    "jinja2": {"explain", "report"},
    "datasets": {"data", "distillation"},
    "gensim": {"vectors"},
    "transformers": {"distillation", "vectors"},
    "huggingface_hub": {"data", "hub"},
    "rich": {"cli"},
    "click": {"cli"},
    "optuna": {"tuning"},
    "prometheus_client": {"serving"},
    "pyspark": {"spark"},
    "pandas": {"spark"},
    "ray": {"ray"},
    "sqlalchemy": {"tuning"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
    "pickle": set(),
}
FILES = sorted(ROOT.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def room_of(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path):
    """(module, name imported from it or None) of every import in a file, those in functions too."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from ((node.module, alias.name) for alias in node.names)


def modules_imported(path):
    """The files of textcnn that a file imports."""
    for module, name in imports(path):
        if module.partition(".")[0] == "textcnn":
            base = ROOT.joinpath(*module.split(".")[1:])
            inside = base / str(name)
            if inside.with_suffix(".c").exists():
                continue  # the compiled loops
            for candidate in (
                inside.with_suffix(".py"),
                inside / "__init__.py",
                base.with_suffix(".py"),
                base / "__init__.py",
            ):
                if candidate in TREES:
                    yield candidate
                    break


ROOMS = {room: set() for room in map(room_of, FILES)}
USED = {library: set() for library in FOREIGN}
for file in FILES:
    ROOMS[room_of(file)] |= {room_of(other) for other in modules_imported(file)} - {room_of(file)}
    for imported, _ in imports(file):
        if imported.partition(".")[0] in USED:
            USED[imported.partition(".")[0]].add(room_of(file))


def test_each_room_is_in_the_table_and_imports_what_the_table_says():
    assert ROOMS == ALLOWED  # no import beside the table, and no dead entry in it


def test_libraries_are_imported_by_the_rooms_that_the_table_names():
    assert USED == FOREIGN


def test_no_circle_of_rooms():
    graphlib.TopologicalSorter(ROOMS).prepare()  # raises CycleError, which names the circle


def test_no_circle_of_modules():
    graph = {
        path.relative_to(ROOT): {other.relative_to(ROOT) for other in modules_imported(path)} - {path.relative_to(ROOT)}
        for path in FILES
    }
    graphlib.TopologicalSorter(graph).prepare()


def test_private_modules_are_used_in_their_package_alone():
    """All of `cli` is private; the experiments use `report/baselines.py`."""
    outside = {other for path in FILES for other in modules_imported(path) if room_of(path) != room_of(other)}
    for architecture in ARCHITECTURES.values():  # named there by module and class
        outside |= {
            ROOT / f"{name.partition(':')[0].replace('.', '/')[8:]}.py"
            for name in (architecture.network, architecture.scorer, architecture.graph)
        }
    for path in FILES:
        if path.parent == ROOT or path.name in ("__init__.py", "baselines.py") or room_of(path) == "cli":
            continue
        assert path.name.startswith("_") == (path not in outside), path


def test_no_two_modules_and_no_two_classes_share_a_name():
    modules = Counter(path.name for path in FILES if path.name != "__init__.py")
    classes = Counter(
        node.name.lstrip("_") for tree in TREES.values() for node in tree.body if isinstance(node, ast.ClassDef)
    )
    assert [name for name, count in (modules + classes).items() if count > 1] == []


def test_only_the_command_line_and_the_progress_that_is_asked_for_print():
    for path, tree in TREES.items():
        if path == ROOT / "training" / "progress.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != "print", path


def test_modules_stay_small():
    for path in FILES:
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 420, path


def test_public_names():
    for name in textcnn.__all__:
        assert getattr(textcnn, name).__name__ == name
    assert isinstance(textcnn.__version__, str)
    with pytest.raises(AttributeError, match="module 'textcnn' has no attribute 'nothing'"):
        _ = textcnn.nothing
