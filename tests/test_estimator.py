import inspect
import os
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from textcnn import TextCNNClassifier, load_model
from textcnn.errors import ConfigError, DataError, ModelError
from textcnn.settings.options import all_settings
from textcnn.training.progress import Progress

SMALL = {
    "dimension": 8,
    "feature_maps": 6,
    "region_sizes": (1, 2),
    "max_epochs": 8,
    "learning_rate": 0.02,
    "batch_size": 10,
    "ngrams": 0,
    "vector_norm": 0,
}


def corpus(size=90, labels=("neg", "pos"), seed=0):
    generator = np.random.default_rng(seed)
    y = generator.integers(0, len(labels), size=size)
    filler = [f"w{i}" for i in range(20)]
    texts = [
        " ".join([*generator.choice(filler, size=4), f"mark{label}", *generator.choice(filler, size=3)]) for label in y
    ]
    return texts, np.array(labels)[y]


TEXTS, LABELS = corpus()


def fitted(**kwargs):
    return TextCNNClassifier(**{**SMALL, **kwargs}).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def classifier():
    return fitted()


def test_it_learns(classifier):
    texts, labels = corpus(seed=1)
    assert classifier.score(texts, labels) > 0.9
    probabilities = classifier.predict_proba(texts)
    assert probabilities.shape == (90, 2)
    assert [e.predicted for e in classifier.explain(texts[:5])] == probabilities[:5].argmax(axis=1).tolist()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(classifier.classes_[probabilities.argmax(axis=1)], classifier.predict(texts))


def test_the_same_seed_gives_the_same_bits(classifier):
    again = clone(classifier).fit(TEXTS, LABELS)
    for name, weight in classifier.model_.artifact.weights.items():
        np.testing.assert_array_equal(weight, again.model_.artifact.weights[name])
    other = fitted(random_state=1)
    assert not np.array_equal(other.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_fit_leaves_torchs_random_state_unchanged():
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    fitted(max_epochs=1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pa.array, lambda x: pa.chunked_array([x])])
def test_containers_of_texts(classifier, kind):
    model = TextCNNClassifier(**SMALL).fit(kind(TEXTS), LABELS)
    np.testing.assert_array_equal(model.predict(kind(TEXTS)), classifier.predict(TEXTS))


@pytest.mark.parametrize(
    "labels", [("a", "b"), (3, 7), (-1, 1), (False, True), (0.0, 1.0), ("ü", "日"), ("x", "y", "z")]
)
def test_label_types(tmp_path, labels):
    texts, y = corpus(labels=labels)
    model = TextCNNClassifier(**SMALL).fit(texts, y)
    assert model.classes_.tolist() == sorted(labels)
    predicted = model.predict(texts)
    assert predicted.dtype.kind == y.dtype.kind
    assert set(predicted.tolist()) <= set(labels)
    model.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    np.testing.assert_array_equal(loaded.predict(texts), predicted)
    assert loaded.classes_.tolist() == model.classes_.tolist()


STRING = getattr(np.dtypes, "StringDType", lambda: object)()  # numpy 2 has it


@pytest.mark.parametrize(
    "kind",
    [
        list,
        iter,
        pd.Series,
        pd.Categorical,
        pa.array,
        pd.DataFrame,
        lambda y: np.array(y, dtype=object),
        lambda y: np.array(y, dtype=STRING),
        lambda y: np.array(y)[:, None],
        lambda y: np.array(y, dtype=object)[:, None],
        lambda y: dict(enumerate(y)).values(),
        lambda y: [*np.array(y[:50]), *y[50:]],
    ],
)
def test_containers_of_labels(kind):
    model = TextCNNClassifier(**{**SMALL, "max_epochs": 1}).fit(TEXTS, kind(LABELS.tolist()))
    assert model.classes_.tolist() == ["neg", "pos"]


def test_labels_of_python_and_numpy_together():
    y = [int(label == "pos") for label in LABELS]
    model = TextCNNClassifier(**{**SMALL, "max_epochs": 1}).fit(TEXTS, [*np.array(y[:50]), *y[50:]])
    assert model.classes_.tolist() == [0, 1]
    assert model.score(TEXTS, np.array(y)[:, None]) == model.score(TEXTS, y)


def test_vectors_in_memory():
    from gensim.models import KeyedVectors

    vectors = KeyedVectors(3)
    vectors.add_vectors(["mark0", "mark1", "w1"], np.eye(3, dtype=np.float32))
    settings = {key: value for key, value in SMALL.items() if key != "dimension"} | {"max_epochs": 1}
    model = TextCNNClassifier(vectors=vectors, **settings).fit(TEXTS, LABELS).model_
    assert model.artifact.model.dimension == 3
    assert model.artifact.training["vectors"]["found"] == 3


def test_cross_validation_and_search():
    model = TextCNNClassifier(**{**SMALL, "max_epochs": 3})
    assert cross_val_score(model, TEXTS, LABELS, cv=2, error_score="raise").shape == (2,)
    assert cross_val_score(model, np.array(TEXTS, dtype=object), LABELS, cv=2, n_jobs=2, error_score="raise").shape == (
        2,
    )
    search = GridSearchCV(model, {"pooling": ["max", "average"]}, cv=2, error_score="raise").fit(
        pd.Series(TEXTS), LABELS
    )
    assert set(search.predict(TEXTS)) <= {"neg", "pos"}
    search = GridSearchCV(model, {"k": [1]}, cv=2, error_score="raise").fit(pa.array(TEXTS), LABELS)
    assert search.best_params_ == {"k": 1}


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pa.array])
def test_calibration(kind):
    model = CalibratedClassifierCV(TextCNNClassifier(**{**SMALL, "max_epochs": 2}), cv=2)
    model.fit(kind(TEXTS), LABELS)
    assert model.predict_proba(kind(TEXTS)).shape == (90, 2)


def test_pipeline():
    upper = FunctionTransformer(lambda texts: [text.upper() for text in texts])
    model = make_pipeline(upper, TextCNNClassifier(**{**SMALL, "max_epochs": 2})).fit(TEXTS, LABELS)
    assert len(model.predict(TEXTS)) == 90


def test_pickle(classifier):
    copy = pickle.loads(pickle.dumps(classifier))  # noqa: S301
    np.testing.assert_array_equal(copy.predict_proba(TEXTS), classifier.predict_proba(TEXTS))


def test_settings_are_stored_unchanged():
    model = TextCNNClassifier(region_sizes=[2, 3], dropout="nonsense")
    assert model.region_sizes == [2, 3]
    with pytest.raises(ConfigError, match="^dropout: .*found 'nonsense'"):
        model.fit(TEXTS, LABELS)
    names = set(inspect.signature(TextCNNClassifier.__init__).parameters) - {"self"}
    assert names == {*all_settings(), "vectors", "trust_pickle", "max_words", "init_from", "verbose"}


def test_before_fit():
    with pytest.raises(NotFittedError, match="fitted TextCNNClassifier"):
        TextCNNClassifier().predict(["x"])


def test_validation_data_are_used_for_validation_alone():
    model = TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, validation_data=(TEXTS[:10], LABELS[:10]))
    assert model.model_.artifact.metrics["validation"]["examples"] == 10
    assert model.model_.artifact.training["texts"] == 90
    with pytest.raises(DataError, match=r"^validation y: .*\('neg', 'pos'\), found .*other"):
        TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, validation_data=(["a"], ["other"]))


def test_a_share_is_held_out():
    model = fitted(validation_share=0.2, validation_folds=0, max_epochs=1)
    assert model.model_.artifact.metrics["validation"]["examples"] == 18
    assert model.model_.artifact.training["texts"] == 72


def test_few_texts_are_all_learned_from_and_validated_in_folds():
    model = fitted(max_epochs=1)
    assert model.model_.artifact.metrics["validation"]["examples"] == 90
    assert model.model_.artifact.training["texts"] == 90
    assert model.model_.artifact.training["folds"] == 4


def test_the_vocabulary_comes_from_the_training_texts_alone():
    texts = [*TEXTS, "onlyinvalidation"]
    labels = np.append(LABELS, "pos")
    model = TextCNNClassifier(**{**SMALL, "max_epochs": 1}).fit(
        TEXTS, LABELS, validation_data=(texts[-1:], labels[-1:])
    )
    assert "onlyinvalidation" not in model.model_.artifact.words


def test_class_weights():
    balanced = fitted(class_weight="balanced", max_epochs=1)
    assert balanced.predict_proba(TEXTS).shape == (90, 2)
    heavy = fitted(class_weight={"neg": 1, "pos": 50}, max_epochs=1).predict_proba(TEXTS)[:, 1].mean()
    light = fitted(class_weight={"neg": 50, "pos": 1}, max_epochs=1).predict_proba(TEXTS)[:, 1].mean()
    assert heavy > light
    with pytest.raises(ConfigError, match=r"^class_weight: .*'neg', 'pos', found some for 'neg'"):
        fitted(class_weight={"neg": 1})


def test_class_weights_count_even_with_one_text_per_batch():
    def trained(weights):
        model = fitted(class_weight=weights, max_epochs=1, batch_size=1)
        return model.predict_proba(TEXTS)[:, 1].mean()

    assert trained({"neg": 0.001, "pos": 10}) > trained(None)


def test_wrong_arguments_of_fit():
    for arguments, message in (
        ({"groups": [1, 2]}, r"^groups: .*\b90 texts, found .*\(2,\)"),
        ({"validation_data": ([], [])}, "^validation y: .*found no texts"),
    ):
        with pytest.raises(DataError, match=message):
            TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, **arguments)
    with pytest.raises(ConfigError, match="^class_weight: .*'balanced'.*found 5"):
        fitted(class_weight=5)
    with pytest.raises(ConfigError, match="4,294,967,296 weights, found "):
        fitted(dimension=10**9)


def test_settings_of_numpy_types():
    model = fitted(
        dimension=np.int64(8),
        dropout=np.float32(0.25),
        region_sizes=np.array([1, 2]),
        random_state=np.int64(3),
        max_epochs=1,
    )
    assert model.model_.artifact.model.region_sizes == (1, 2)


def test_groups_stay_together():
    groups = [f"g{i // 3}" for i in range(90)]
    model = TextCNNClassifier(**{**SMALL, "max_epochs": 1}).fit(TEXTS, LABELS, groups=groups)
    assert model.model_.artifact.training["texts"] % 3 == 0


def test_a_pickle_does_not_contain_the_tables(classifier):
    weights = sum(weight.nbytes for weight in classifier.model_.artifact.weights.values())
    assert len(pickle.dumps(classifier)) < 4 * weights + 20_000


def test_random_states():
    fitted(random_state=np.random.RandomState(3), max_epochs=1)
    fitted(random_state=None, max_epochs=1)


def test_vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    generator = np.random.default_rng(0)
    words = ["mark0", "mark1", *[f"w{i}" for i in range(15)]]
    rows = [f"{word} {' '.join(f'{x:.4f}' for x in generator.normal(size=5))}" for word in words]
    path.write_text(f"{len(words)} 5\n" + "\n".join(rows) + "\n")
    settings = {key: value for key, value in SMALL.items() if key != "dimension"}
    settings.update(max_epochs=40, patience=40)
    for channels in (None, "static", "non-static", "multichannel"):
        model = TextCNNClassifier(vectors=path, channels=channels, **settings).fit(TEXTS, LABELS)
        artifact = model.model_.artifact
        assert artifact.model.channels == (channels or "non-static")
        assert artifact.model.dimension == 5
        assert artifact.training["vectors"] == {"found": 17, "words": 22, "unseen": 0}
        assert model.score(TEXTS, LABELS) > 0.8
        name = "channels.tuned" if artifact.model.channels == "non-static" else "channels.fixed"
        row = artifact.weights[name][2 + list(artifact.words).index("mark1")]
        given = np.array(rows[1].split()[1:], dtype=np.float32)
        assert np.allclose(row, given) == (channels in ("static", "multichannel"))


def test_ctrl_c_keeps_the_best_weights_so_far():
    class Interrupt(Progress):
        def batch(self, *, epoch, texts, loss):
            if epoch == 2:
                raise KeyboardInterrupt

    model = TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, progress=Interrupt())
    assert model.history_.interrupted
    assert len(model.predict(TEXTS)) == 90


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ("a text", ["a"], r"^X: expected a list of strings, .*\['a text'\]"),
        (["a"], ["x", "y"], r"^y: .*\b1 texts, found .*\(2,\)"),
        ([], [], "^y: .*found no texts"),
        (["a", "b"], ["x", "x"], "two classes or more, found 1: x"),
        (["a", "b"], ["x", None], "^y: .*one type.*found NoneType, str"),
        (["a", "b"], ["x", 1], "^y: .*one type.*found int, str"),
        (["a", "b"], ["x", float("nan")], "^y: .*one type.*found float, str"),
        (["a", "b"], [1.0, float("nan")], "^y: .*missing.*found nan"),
        (["a", "b"], np.array([["x", "y"]]), r"^y: .*\b2 texts .*found .*\(1, 2\)"),
        (["a", "b"], "xy", r"^y: .*\b2 texts, found .*\(\)"),
        (["a", "b"], ["x", "y\ud800"], r"^y: .*lone surrogate.*'y\\ud800'"),
        (["a", None], ["x", "y"], "^X: .*missing.* row 1"),
    ],
)
def test_wrong_texts_and_labels(texts, labels, message):
    with pytest.raises(DataError, match=message):
        TextCNNClassifier(**SMALL).fit(texts, labels)


def test_few_examples_of_a_class():
    texts, labels = ["a b", "c d", "e f", "g h", "i"], ["x", "x", "y", "y", "z"]
    short = {**SMALL, "max_epochs": 1}
    model = TextCNNClassifier(**short).fit(texts, labels)
    assert model.model_.artifact.metrics["validation"]["examples"] == 5
    model = TextCNNClassifier(**short, validation_folds=0).fit(texts, labels)
    assert model.model_.artifact.metrics["validation"]["examples"] == 2  # z stays in training
    assert model.predict_proba(["i"]).shape == (1, 3)
    with pytest.raises(DataError, match="^expected two texts or more of a class"):
        TextCNNClassifier(**short, validation_folds=0).fit(["a", "b"], ["x", "y"])


def test_folds_whose_training_texts_have_no_words():
    texts, labels = [""] * 19 + ["good film"], ["x"] * 10 + ["y"] * 10
    model = TextCNNClassifier(**{**SMALL, "max_epochs": 1}).fit(texts, labels)
    assert model.predict_proba(["good"]).shape == (1, 2)


def test_other_groups_are_another_run(tmp_path):
    texts, labels = [f"a{i} b{i % 3}" for i in range(40)], ["x", "y"] * 20
    path, short = tmp_path / "c", {**SMALL, "max_epochs": 2, "ngrams": 0}
    TextCNNClassifier(**short).fit(texts, labels, groups=np.arange(40) // 2, checkpoint=path)
    with pytest.raises(ModelError, match="found one with other folds"):
        TextCNNClassifier(**short).fit(texts, labels, groups=np.arange(40) // 4, checkpoint=path, resume=True)


def test_regression_targets_are_refused():
    with pytest.raises(ValueError, match="continuous"):
        TextCNNClassifier(**SMALL).fit(["a", "b", "c"], [0.1, 0.2, 0.3])


def test_weights_of_texts_count():
    texts = ["film"] * 40 + ["book"] * 40
    labels = (["yes"] * 20 + ["no"] * 20) * 2
    weights = np.where(np.array(labels) == "yes", 5.0, 1.0)
    plain = fitted_on(texts, labels)
    weighted = fitted_on(texts, labels, sample_weight=weights)
    assert weighted.predict_proba(["film"])[0, 1] > plain.predict_proba(["film"])[0, 1] + 0.1
    scaled = fitted_on(texts, labels, sample_weight=list(1000 * weights))
    np.testing.assert_allclose(scaled.predict_proba(texts), weighted.predict_proba(texts), atol=1e-4)
    same = fitted_on(texts, labels, sample_weight=np.ones(80))
    np.testing.assert_allclose(same.predict_proba(texts), plain.predict_proba(texts), atol=1e-5)


def fitted_on(texts, labels, **arguments):
    settings = {**SMALL, "max_epochs": 30, "monitor": "loss", "patience": 30, "ngrams": 0, "dropout": 0.0}
    validation = (["film"] * 12, ["yes"] * 10 + ["no"] * 2)  # as the weights have it
    return TextCNNClassifier(**settings).fit(texts, labels, validation_data=validation, **arguments)


@pytest.mark.parametrize(
    ("weights", "part"),
    [
        ([1.0], "one for each of the 90 texts"),
        (["x"] * 90, "numbers"),
        ([-1.0] + [1.0] * 89, "-1.0"),
        ([float("nan")] + [1.0] * 89, "nan"),
        ([0.0] * 90, "above 0"),
    ],
)
def test_weights_that_are_none(weights, part):
    with pytest.raises(DataError, match=f"sample_weight.*{part}"):
        TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, sample_weight=weights)


def test_a_run_is_resumed_from_its_checkpoint(tmp_path):
    class Stop(Progress):
        def epoch(self, epoch):
            if epoch.number == 2:
                raise RuntimeError

    settings = {**SMALL, "max_epochs": 4, "patience": 4}
    whole = TextCNNClassifier(**settings).fit(TEXTS, LABELS)
    with pytest.raises(RuntimeError):
        TextCNNClassifier(**settings).fit(TEXTS, LABELS, checkpoint=tmp_path / "c", progress=Stop())
    resumed = TextCNNClassifier(**settings).fit(TEXTS, LABELS, checkpoint=tmp_path / "c", resume=True)
    np.testing.assert_array_equal(resumed.predict_proba(TEXTS), whole.predict_proba(TEXTS))


FORKED = """
import multiprocessing
from textcnn import TextCNNClassifier

texts = [f"a soup of {i}" if i % 2 else f"no soup of {i}" for i in range(200)]


def train():
    for arch in ("kim", "stacked"):
        classifier = TextCNNClassifier(arch=arch, max_epochs=1).fit(texts, [i % 2 for i in range(200)])
        classifier.explain(texts[:1])


train()
child = multiprocessing.get_context("fork").Process(target=train)
child.start()
child.join(120)
ended = child.exitcode
child.kill()
print(ended)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_training_in_a_process_forked_after_training():
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=300)
    assert done.stdout == "0\n", done.stderr


@pytest.mark.parametrize(("max_words", "found"), [(None, 3), (3, 3), (1, 1)])
def test_only_the_first_words_of_the_vectors_are_read(tmp_path, max_words, found):
    path = tmp_path / "vectors.txt"
    path.write_text("good 1 2\nbad 2 1\nfilm 1 1\n", encoding="utf-8")
    model = TextCNNClassifier(vectors=path, max_words=max_words, feature_maps=2, max_epochs=1, unseen_words=5)
    model.fit(["a good film", "a bad film"] * 10, ["p", "n"] * 10)
    facts = model.model_.artifact.training["vectors"]
    assert (facts["found"], facts["unseen"]) == (found, 0)
    with pytest.raises(ConfigError, match="max_words: expected a whole number of at least 1, found 0"):
        model.set_params(max_words=0).fit(TEXTS, LABELS)
    with pytest.raises(ConfigError, match="max_words: expected a file of word vectors with it"):
        TextCNNClassifier(max_words=2).fit(TEXTS, LABELS)


@pytest.mark.parametrize("verbose", [0, False, 1, True])
def test_epochs_are_printed_where_asked_for(capsys, verbose):
    model = TextCNNClassifier(dimension=4, feature_maps=2, max_epochs=2, patience=2, verbose=verbose)
    model.fit(TEXTS, LABELS)
    out, err = capsys.readouterr()
    assert err == ""
    lines = out.splitlines()
    if verbose:
        assert [line.split("  loss")[0] for line in lines] == ["epoch  1", "epoch  2", lines[-1]]
        assert lines[-1].startswith("best epoch: ")
        model.fit(TEXTS, LABELS, progress=Progress())
        assert capsys.readouterr().out == ""
    else:
        assert lines == []


def answers(texts, certainty=0.9):
    """Return probabilities that a teacher could give: columns pos, neg."""
    positive = np.array([certainty if "mark1" in text else 1 - certainty for text in texts])
    return np.stack([positive, 1 - positive], axis=1)


def test_probabilities_in_the_place_of_labels():
    classifier = TextCNNClassifier(**SMALL, schedule="constant").fit(TEXTS, answers(TEXTS), classes=["pos", "neg"])
    assert classifier.classes_.tolist() == ["neg", "pos"]
    assert (classifier.predict(TEXTS) == LABELS).all()
    assert classifier.model_.artifact.training["settings"]["gold_weight"] == 0
    # The loss is smallest at the teacher's own probabilities: the network is as uncertain as it is.
    taught = [epoch.training_loss for epoch in classifier.history_.epochs]
    entropy = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1))
    assert min(taught) > entropy
    assert min(taught) == pytest.approx(entropy, abs=0.1)


def test_labels_of_some_texts_choose_the_epoch():
    more, _ = corpus(60, seed=5)
    labels = [*LABELS.tolist(), *[None] * len(more)]
    rows = np.concatenate([np.full((len(TEXTS), 2), np.nan), answers(more)])
    classifier = TextCNNClassifier(**SMALL).fit([*TEXTS, *more], rows, classes=["pos", "neg"], labels=labels)
    artifact = classifier.model_.artifact
    assert artifact.training["soft_labels"] == {"alone": len(set(more)), "with_label": 0}
    assert artifact.metrics["validation"]["examples"] == len(TEXTS)  # in folds
    assert (classifier.predict(TEXTS) == LABELS).all()


def test_a_wrong_teacher_is_outvoted_by_the_labels():
    wrong = 1 - answers(TEXTS)
    data = {"classes": ["pos", "neg"], "labels": LABELS.tolist()}
    trusting = TextCNNClassifier(**SMALL, gold_weight=0.1).fit(TEXTS, wrong, **data)
    doubting = TextCNNClassifier(**SMALL, gold_weight=0.9).fit(TEXTS, wrong, **data)
    more, labels = corpus(60, seed=6)
    assert trusting.score(more, labels) < 0.7  # the epoch is chosen by the labels all the same
    assert doubting.score(more, labels) > 0.8


def test_labels_without_probabilities_are_refused():
    with pytest.raises(DataError, match="labels: expected classes and probabilities as y beside them, found none"):
        TextCNNClassifier(**SMALL).fit(TEXTS, LABELS, labels=LABELS)
