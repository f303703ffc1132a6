import dataclasses

import datasets
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import textcnn
from textcnn.data.soft_labels import SoftLabels
from textcnn.distillation.distilling import AnswerChoice, as_texts, distill
from textcnn.distillation.self_training import self_train
from textcnn.errors import ConfigError, DataError
from textcnn.inference.artifact import load_artifact
from textcnn.run import Destination
from textcnn.settings.options import make_settings
from textcnn.targets import ONE_CLASS, SEVERAL_LABELS

SETTINGS = make_settings(
    {
        "dimension": 8,
        "feature_maps": 6,
        "region_sizes": (1, 2),
        "max_epochs": 6,
        "learning_rate": 0.02,
        "batch_size": 10,
    }
)
WORDS = {"neg": ["dull", "grim", "weak", "flat"], "pos": ["warm", "fine", "keen", "deft"]}


def texts_of(size, seed, words=4):
    """Return texts with a word of their class among the first `words` of it, and the classes."""
    generator = np.random.default_rng(seed)
    labels = [("neg", "pos")[i] for i in generator.integers(0, 2, size)]
    filler = [f"w{i}" for i in range(30)]
    texts = [
        " ".join([*generator.choice(filler, 4), WORDS[label][generator.integers(words)], *generator.choice(filler, 3)])
        for label in labels
    ]
    return texts, labels


def corpus_of(**splits):
    names = datasets.ClassLabel(names=["neg", "pos"])
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    return datasets.DatasetDict(
        {
            split: datasets.Dataset.from_dict({"text": texts, "label": [names.str2int(x) for x in labels]}, features)
            for split, (texts, labels) in splits.items()
        }
    )


def ask(texts):
    """Know all words, as the labelled texts do not."""
    return [[0.1, 0.9] if any(word in text for word in WORDS["pos"]) else [0.9, 0.1] for text in texts]


# The labelled texts have only half of the words that the test texts have.
CORPUS = corpus_of(train=texts_of(60, 0, words=2), validation=texts_of(40, 1), test=texts_of(120, 2))
UNLABELLED = texts_of(300, 3)[0]


def test_a_student_learns_what_only_the_teacher_knows(tmp_path):
    run = distill(CORPUS, tmp_path / "s", teacher=ask, unlabelled=UNLABELLED, settings=SETTINGS, report=False)
    plain = distill(CORPUS, tmp_path / "p", teacher=ask, settings=SETTINGS, report=False)
    metrics = run.model.artifact.metrics
    assert metrics["test"]["accuracy"] > 0.95 > 0.85 > plain.model.artifact.metrics["test"]["accuracy"]
    assert metrics["test"]["teacher"] == {"accuracy": 1.0, "agreement": metrics["test"]["accuracy"]}
    assert metrics["validation"]["teacher"]["accuracy"] == 1
    saved = load_artifact(tmp_path / "s")
    assert saved.metrics["test"]["teacher"] == metrics["test"]["teacher"]
    assert saved.training["soft_labels"] == {"alone": len(set(UNLABELLED)), "with_label": 60}
    answered = sorted(path.name for path in Destination(tmp_path / "s").answers.iterdir())
    assert answered == [f"{name}-00001.parquet" for name in ("test", "train", "unlabelled", "validation")]


def test_the_page_shows_the_agreement(tmp_path):
    distill(CORPUS, tmp_path / "s", teacher=ask, unlabelled=UNLABELLED, settings=SETTINGS, source="own")
    page = (tmp_path / "s" / "report.html").read_text()
    assert "its teacher" in page
    assert "of these texts the same label" in page


def test_nothing_is_learned_from_texts_that_are_scored(tmp_path):
    scored = [*CORPUS["test"]["text"], *CORPUS["validation"]["text"]]
    run = distill(CORPUS, tmp_path / "s", teacher=ask, unlabelled=scored, settings=SETTINGS, report=False)
    assert run.model.artifact.training["soft_labels"]["alone"] == 0
    assert not set(run.model.artifact.words) & set(WORDS["pos"][2:] + WORDS["neg"][2:])


def test_distill_is_public():
    assert textcnn.distill is distill


def test_several_labels(tmp_path):
    names = datasets.Sequence(datasets.ClassLabel(names=["neg", "pos"]))
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    texts, labels = texts_of(60, 0)
    rows = {"text": [*texts, "w1 w2"], "label": [*([int(x == "pos")] for x in labels), []]}
    corpus = datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows, features)})
    run = distill(corpus, tmp_path / "s", teacher=ask, unlabelled=UNLABELLED, settings=SETTINGS, report=False)
    assert run.model.target is SEVERAL_LABELS
    assert run.model.predict(["w1 keen w2", "w3 weak w4"]) == [["pos"], ["neg"]]


def soft_of(rows):
    return SoftLabels(pa.chunked_array([[str(i) for i in range(len(rows))]]), np.array(rows, np.float32))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=40).map(lambda row: [[x, 1 - x] for x in row]),
    st.floats(0.01, 1),
    st.booleans(),
)
def test_the_most_certain_of_each_class_are_chosen(rows, keep, balance):
    soft = soft_of(rows)
    found = [int(text) for text in AnswerChoice(keep, balance).of(soft, ONE_CLASS).texts.to_pylist()]
    assert found == sorted(set(found))
    classes = {}
    for i, (first, second) in enumerate(soft.probabilities.tolist()):
        classes.setdefault(int(second > first), []).append((-max(first, second), i))
    sizes = {k: max(1, round(keep * len(own))) for k, own in classes.items()}
    if balance:
        sizes = dict.fromkeys(sizes, min(sizes.values()))
    expected = [i for k, own in classes.items() for _, i in sorted(own)[: sizes[k]]]
    assert found == sorted(expected)


def test_choices_that_make_no_sense():
    for keep in (0, -1, 1.5):
        with pytest.raises(ConfigError, match="keep: expected a share above 0 and at most 1, found"):
            AnswerChoice(keep)
    with pytest.raises(ConfigError, match="balance: expected one class a text, found several labels"):
        AnswerChoice(balance=True).of(soft_of([[0.5, 0.2]]), SEVERAL_LABELS)
    chosen = AnswerChoice(0.5).of(soft_of([[0.5, 0.2], [0.1, 0.9]]), SEVERAL_LABELS)
    assert chosen.texts.to_pylist() == ["1"]


def test_unlabelled_texts_are_distinct_and_not_blank():
    assert as_texts(["a", " ", "b", "a", ""]).to_pylist() == ["a", "b"]
    with pytest.raises(DataError, match="unlabelled"):
        as_texts("one string")


def test_self_training_keeps_the_best_student(tmp_path):
    corpus = corpus_of(train=texts_of(80, 0), test=texts_of(60, 2))
    shown = []
    options = {"unlabelled": UNLABELLED, "settings": SETTINGS, "members": 2, "rounds": 2}
    run = self_train(corpus, tmp_path / "s", **options, on_model=lambda *row: shown.append(row))
    assert [name for name, _, _ in shown][:3] == ["member 1 of 2", "member 2 of 2", "student 1"]
    students = [score for name, _, score in shown if name.startswith("student")]
    metrics = run.model.artifact.metrics
    assert metrics["validation"]["accuracy"] == max(students)
    assert metrics["test"]["accuracy"] > 0.9
    assert run.report == tmp_path / "s" / "report.html"
    folder = Destination(tmp_path / "s").rounds
    members = [load_artifact(folder / f"member-{number}") for number in (1, 2)]
    assert not (members[0].weights["softmax.weight"] == members[1].weights["softmax.weight"]).all()
    assert all("test" not in one.metrics for one in members)


def test_self_training_goes_on_where_it_was_stopped(tmp_path):
    corpus = corpus_of(train=texts_of(80, 0))
    options = {"unlabelled": UNLABELLED[:60], "settings": SETTINGS, "members": 1, "rounds": 1, "report": False}

    def stop(name, key, score):
        if name.startswith("member"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        self_train(corpus, tmp_path / "s", **options, on_model=stop)
    with pytest.raises(DataError, match=r"s\.rounds: expected no run, found one; resume it \(--resume\) or replace it"):
        self_train(corpus, tmp_path / "s", **options)
    member = Destination(tmp_path / "s").rounds / "member-1" / "model.safetensors"
    before = member.stat().st_mtime_ns
    resumed = self_train(corpus, tmp_path / "s", **options, resume=True)
    assert member.stat().st_mtime_ns == before
    whole = self_train(corpus, tmp_path / "w", **options)
    for name, weights in whole.model.artifact.weights.items():
        assert (weights == resumed.model.artifact.weights[name]).all(), name
    training = dataclasses.replace(SETTINGS.training, seed=5)
    other = {**options, "settings": dataclasses.replace(SETTINGS, training=training)}
    with pytest.raises(DataError, match="found one with other data, training settings"):  # other texts are held out
        self_train(corpus, tmp_path / "s", **other, resume=True)


def test_self_training_needs_texts(tmp_path):
    with pytest.raises(DataError, match="expected unlabelled texts to train on, found none"):
        self_train(CORPUS, tmp_path / "s", unlabelled=["", " "])
