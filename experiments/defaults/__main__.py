"""The defaults beside linear models and fastText on corpora that nobody tuned for: few texts, few words, many classes.

    python -m experiments.defaults --data-dir DATA

DATA holds the corpora's original files. Each task is drawn from the training texts of a corpus by a seed, and scored
once on its test texts (MR, which has no test split: on 2,000 texts apart from the drawn ones). What the rules of the
defaults do was chosen on other draws, inside the training splits. The other methods see the same texts: TF-IDF of uni-
and bigrams with logistic regression (C = 10) or a linear SVM (scikit-learn's defaults), and, where `fasttext` is
installed, fastText with wordNgrams 2 and 25 epochs.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments import shared
from textcnn import TextCNNClassifier, load_corpus

HERE = Path(__file__).parent
SEEDS = (0, 1, 2)
SCORED = 2000  # test texts of MR and IMDB


class Task(NamedTuple):
    """Training texts with class ids, and those to score."""

    texts: list[str]
    labels: np.ndarray
    test_texts: list[str]
    test_labels: np.ndarray


Method = Callable[[Task], np.ndarray]


def main() -> None:
    """Run what is not in the results yet, print the table."""
    parser = shared.make_parser(__doc__ or "", HERE)
    parser.add_argument("--data-dir", metavar="DATA", help="folder of the corpora's original files")
    parser.add_argument("--methods", nargs="+", default=[*METHODS], choices=[*METHODS], help="[all]")
    arguments = shared.parse(parser, "data-dir")
    path = arguments.output / "results.json"
    results = shared.read_json(path)
    if not arguments.show:
        for name, seed, task in tasks(arguments.data_dir):
            for method in arguments.methods:
                cell = results.setdefault("scores", {}).setdefault(name, {}).setdefault(method, {})
                if str(seed) not in cell:
                    cell[str(seed)] = score(name, task, METHODS[method](task))
                    results["machine"] = shared.machine()
                    shared.write_json(path, results)
                    print(name, seed, method, cell[str(seed)], flush=True)
    print(markdown(results))


def score(name: str, task: Task, scores: np.ndarray) -> float:
    """Return the accuracy of class scores, (N, K); of a rare class the average precision."""
    if name.startswith("rare"):
        from sklearn.metrics import average_precision_score

        return float(average_precision_score(task.test_labels, scores[:, 1]))
    return float((scores.argmax(axis=1) == task.test_labels).mean())


def markdown(results: dict[str, Any]) -> str:
    """Return the table of all tasks."""
    methods = [method for method in METHODS if any(method in cells for cells in results["scores"].values())]
    rows = []
    for name, cells in results["scores"].items():
        means = {method: np.mean([*cells[method].values()]) for method in methods if cells.get(method)}
        best = max(means.values())
        row = [shared.spread([*cells[method].values()]) if method in means else "" for method in methods]
        rows.append(
            [name, *(f"**{cell}**" if means.get(m) == best else cell for m, cell in zip(methods, row, strict=True))]
        )
    return f"{shared.table(['', *methods], rows)}\n\n{shared.machine_line(results.get('machine'))}"


def tasks(folder: str) -> Iterator[tuple[str, int, Task]]:
    """Yield each task with its name and seed."""
    for corpus, sizes in (("mr", (100, 200, 500, 1000)), ("sst2", (100, 200, 500, 1000)), ("imdb", (200, 500))):
        train, test = read(corpus, folder)
        for size in sizes:
            for seed in SEEDS:
                rows = np.random.default_rng([seed, 7]).permutation(len(train[1]))
                scored = test or (train[0][rows[-SCORED:]], train[1][rows[-SCORED:]])
                few = np.sort(np.random.default_rng(0).permutation(len(scored[1]))[:SCORED])
                yield f"{size:,} texts of {shared.NAMES[corpus]}", seed, pick(train, rows[:size], scored, few)
    train, test = read("trec", folder)
    yield from rare(train, test or train)
    yield from fine(folder)
    train, test = read("sst2", folder, phrases=True)
    yield from short(train, test or train)
    for seed in SEEDS:
        yield "150 classes, 5 texts each, one telling word a class", seed, telling(seed)


Texts = tuple[np.ndarray, np.ndarray]


def read(corpus: str, folder: str, **options: Any) -> tuple[Texts, Texts | None]:
    """Return the training and test texts of a corpus."""
    splits = load_corpus(corpus, data_dir=folder, **({"phrases": False} if corpus == "sst2" else {}) | options)
    found = {split: (np.array(splits[split]["text"][:], object), np.array(splits[split]["label"])) for split in splits}
    return found["train"], found.get("test")


def pick(train: Texts, rows: np.ndarray, test: Texts, scored: np.ndarray) -> Task:
    """Return a task of some training and some test texts."""
    return Task(train[0][rows].tolist(), train[1][rows], test[0][scored].tolist(), test[1][scored])


def rare(train: Texts, test: Texts) -> Iterator[tuple[str, int, Task]]:
    """Yield tasks of a TREC class, entities, thinned to 2% of the training texts, against the others."""
    for seed in SEEDS:
        rows = np.random.default_rng([seed, 7]).permutation(len(train[1]))
        own, others = (rows[(train[1][rows] == 2) == wanted] for wanted in (True, False))
        kept = np.concatenate([own[: len(others) // 50], others])
        task = pick(train, kept, test, np.arange(len(test[1])))
        yield (
            "rare class, 2% of TREC (average precision)",
            seed,
            task._replace(labels=(task.labels == 2).astype(int), test_labels=(task.test_labels == 2).astype(int)),
        )


def fine(folder: str) -> Iterator[tuple[str, int, Task]]:
    """Yield tasks of TREC's fine classes with a few texts each."""
    parts = []
    for name in ("train_5500.label", "TREC_10.label"):
        [path] = Path(folder).rglob(name)
        lines = path.read_text("latin-1").splitlines()
        pairs = [line.partition(" ")[::2] for line in lines]
        parts.append((np.array([text for _, text in pairs], object), np.array([label for label, _ in pairs])))
    train, test = parts
    for size in (5, 10, 20):
        names, counts = np.unique(train[1], return_counts=True)
        names = names[counts >= size]
        scored = np.flatnonzero(np.isin(test[1], names))
        for seed in SEEDS:
            order = np.random.default_rng([seed, 7]).permutation(len(train[1]))
            rows = np.concatenate([order[train[1][order] == name][:size] for name in names])
            task = pick(train, rows, test, scored)
            yield (
                f"{len(names)} classes of TREC, {size} texts each",
                seed,
                task._replace(
                    labels=np.searchsorted(names, task.labels), test_labels=np.searchsorted(names, task.test_labels)
                ),
            )


def short(train: Texts, test: Texts) -> Iterator[tuple[str, int, Task]]:
    """Yield tasks of SST's phrases of three words; those to score are apart from the others."""
    texts = train[0].astype(str)
    distinct = np.unique(texts, return_index=True)[1]
    rows = distinct[[text.count(" ") == 2 for text in texts[distinct]]]
    for seed in SEEDS:
        order = np.random.default_rng([seed, 7]).permutation(rows)
        yield "phrases of three words", seed, pick(train, order[SCORED:], train, order[:SCORED])


def telling(seed: int) -> Task:
    """Return made-up texts of words without meaning, and one word that names the class."""
    generator = np.random.default_rng([seed, 7])

    def make(count: int) -> tuple[list[str], np.ndarray]:
        labels = np.repeat(np.arange(150), count)
        texts = []
        for label in labels.tolist():
            words = [f"w{word}" for word in generator.integers(0, 400, size=generator.integers(3, 8))]
            words.insert(int(generator.integers(len(words))), f"key{label}")
            texts.append(" ".join(words))
        return texts, labels

    return Task(*make(5), *make(4))


def textcnn(task: Task) -> np.ndarray:
    """Return the probabilities of a classifier with its defaults."""
    return TextCNNClassifier(device="cpu").fit(task.texts, task.labels).predict_proba(task.test_texts)


def linear(task: Task, *, svm: bool) -> np.ndarray:
    """Return the scores of a linear model on TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    model = LinearSVC() if svm else LogisticRegression(C=10, max_iter=10_000)
    fitted = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), model).fit(task.texts, task.labels)
    scores = fitted.decision_function(task.test_texts)
    return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores


def fasttext(task: Task) -> np.ndarray:
    """Return fastText's probabilities; its texts are lower case, punctuation apart."""
    from fasttext import train_supervised

    def lines(texts: Sequence[str]) -> list[str]:
        return [" ".join(re.findall(r"\w+|[^\w\s]", text.lower())) for text in texts]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        pairs = zip(task.labels.tolist(), lines(task.texts), strict=True)
        path.write_text("".join(f"__label__{label} {line}\n" for label, line in pairs))
        model = train_supervised(str(path), wordNgrams=2, epoch=25, thread=1, verbose=0)
    out = np.zeros((len(task.test_texts), int(task.labels.max()) + 1))
    for row, line in enumerate(lines(task.test_texts)):
        for probability, label in model.f.predict(line + "\n", -1, 0.0, "strict"):
            out[row, int(label.removeprefix("__label__"))] = probability
    return out


METHODS: dict[str, Method] = {
    "textcnn": textcnn,
    shared.BASELINE: lambda task: linear(task, svm=False),
    "TF-IDF + SVM": lambda task: linear(task, svm=True),
    "fastText": fasttext,
}


if __name__ == "__main__":
    main()
