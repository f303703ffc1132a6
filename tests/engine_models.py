"""What the tests of Spark and Ray have in common: models, texts, and a model that tells what it does elsewhere."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from textcnn.model import Model, load_model

MODEL = Path(__file__).parent / "golden" / "v4-kim"
DEADLY = "end the process"  # ends the process that scores it, the first time
WORKERS_PATH = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
_SMALL = {"dimension": 8, "feature_maps": 4, "region_sizes": (1, 2), "max_epochs": 2, "device": "cpu"}


def one_class(folder):
    return MODEL


def several_labels(folder):
    sets = [["good"], ["good", "fun"], [], ["bad", "fun"]] * 12
    return _trained(folder, ["a good film", "good fun for all", "a film", "bad jokes but fun"] * 12, sets)


def numbers(folder):
    return _trained(folder, ["a good film", "a bad film"] * 24, [5, 1] * 24)


def _trained(folder, texts, labels):
    from textcnn import TextCNNClassifier  # not where only a model is needed

    TextCNNClassifier(**_SMALL).fit(texts, labels).save(folder)
    return folder


def some_texts(count):
    """The sample corpus again and again, with a missing and an empty text, and texts without a known word."""
    from textcnn import load_corpus

    some = [*load_corpus("sample")["train"]["text"], "", None, "日本 words that nobody knows", "\N{GRINNING FACE}"]
    return [some[row % len(some)] for row in range(count)]


class WatchedModel(Model):
    """Appends a line of JSON to the file that the artifact names when it is loaded and when it has scored texts."""

    def __init__(self, artifact):
        super().__init__(artifact)
        self._log = Path(artifact.training["log"])
        self._write("loaded")

    def scores(self, texts):
        found = super().scores(texts)
        self._write("scored", texts=len(texts))
        mark = self._log.with_suffix(".ended")
        if DEADLY in texts.to_pylist() and not mark.exists():
            mark.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    def _write(self, event, **more):
        threads = [thread.name for thread in threading.enumerate()]
        line = {
            "event": event,
            "process": os.getpid(),
            "threads": [name for name in threads if name.startswith("textcnn")],
            "limit": os.environ.get("OMP_NUM_THREADS"),
            "libraries": [name for name in ("torch", "sklearn", "datasets", "gensim") if name in sys.modules],
            **more,
        }
        with self._log.open("a") as file:
            file.write(f"{json.dumps(line)}\n")


def watched(folder, log):
    """A model that writes to the file `log`, and a function that returns what it wrote in other processes."""
    artifact = load_model(folder).artifact
    artifact.training["log"] = str(log)

    def lines():
        written = [json.loads(line) for line in log.read_text().splitlines()]
        return [line for line in written if line["process"] != os.getpid()]

    return WatchedModel(artifact), lines
