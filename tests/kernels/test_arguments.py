"""Wrong arguments of the kernels raise an exception; none reads or writes memory that is not its own."""

import copy
import inspect
import itertools
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn import kernels
from textcnn.inference.artifact import Artifact
from textcnn.inference.predictor import Predictor
from textcnn.nn.dcnn import DCNN
from textcnn.nn.kim import KimCNN
from textcnn.settings.config import DCNNConfig, KimConfig, TextConfig
from textcnn.text.tokens import Encoded
from textcnn.training._row_optimizers import ROW_OPTIMIZERS

GENERATOR = np.random.default_rng(0)


def floats(*shape):
    return GENERATOR.normal(size=shape).astype(np.float32)


def int32(*numbers):
    return np.array(numbers, np.int32)


def int64(*numbers):
    return np.array(numbers, np.int64)


IDS, OFFSETS, SIZES = int32(0, 3, 1, 2, 2), int64(0, 3, 3, 5), int32(2, 3)
TEXTS = {"ids": IDS, "offsets": OFFSETS}
VOCABULARY = {"words": np.frombuffer(b"abcde", np.uint8), "offsets": int64(0, 1, 3, 5)}
NGRAMS = {"keys": int64(2, 3, 14), "order": 2, "vocabulary_size": 4, "first_word": 1}
POOLING = {"table": floats(4, 5, 3), **TEXTS, "sizes": SIZES, "wide": True, "bias": floats(2, 3), "activation": "relu"}
LAYERS = {"words": floats(4, 1, 12), **TEXTS, "first": floats(1, 3, 2, 12), "sizes": int32(3, 2), "maps": int32(2, 3)}
LAYERS |= {"k_top": 2, "biases": floats(12 + 9), "filters": floats(6 * 2 * 2 * 3)}


def state(**kwargs):
    """What an optimiser keeps of 6 rows, as arguments of their own."""
    return {
        "table": floats(6, 4),
        "first": floats(6, 4),
        "second": floats(6, 4) ** 2,
        "last": int64(*range(6)),
        **kwargs,
    }


def on_state(function):
    """`function` with the parts of its state as arguments of their own."""

    def call(table, first, second, last, **kwargs):
        return function((table, first, second, last), **kwargs)

    return call


def layers_back(features, values, places, **kwargs):
    return kernels.row_layers_back(kept=(features, values, places), **kwargs)


def encode(words, word_offsets, **kwargs):
    return kernels.WordTable(words, word_offsets).encode(**kwargs)


def find(keys, order, vocabulary_size, first_word, **kwargs):
    table = kernels.NgramTable(keys, order=order, vocabulary_size=vocabulary_size, first_word=first_word)
    return table.find(**kwargs)


def ngram_logits(keys, order, vocabulary_size, first_word, **kwargs):
    table = kernels.NgramTable(keys, order=order, vocabulary_size=vocabulary_size, first_word=first_word)
    return table.logits(**kwargs)


_BETAS = {"epsilon": 1e-8, "betas": (0.9, 0.999)}
_ENCODED = {
    "data": np.frombuffer("a bc dee é".encode(), np.uint8),
    "offsets": int64(0, 4, 4, 11),
    "kinds": np.array([0] * 33 + [2] * 201, np.uint8),
    "lower": np.arange(234, dtype=np.uint32),
    "limit": 3,
    "first_word": 2,
    "unknown": 1,
}
CALLS = {
    "max_windows": (
        kernels.max_windows,
        {"table": floats(4, 5, 3), **TEXTS, "sizes": SIZES, "wide": True, "places": True, "threads": 2},
    ),
    "max_logits": (
        kernels.max_logits,
        {
            **{"table": floats(4, 5, 3), **TEXTS, "sizes": SIZES, "wide": False, "activation": "tanh"},
            **{"bias": floats(2, 3), "weights": floats(2, 6), "weights_bias": floats(2)},
        },
    ),
    "code_logits": (
        kernels.code_logits,
        {
            **{"table": np.ones((4, 5, 3), np.int8), "scales": floats(2, 3), **TEXTS, "sizes": SIZES, "wide": False},
            **{"activation": "tanh", "bias": floats(2, 3), "weights": floats(2, 6), "weights_bias": floats(2)},
        },
    ),
    "row_logits": (
        kernels.row_logits,
        {
            **{
                "table": floats(4, 3, 12),
                **TEXTS,
                "sizes": int32(3, 2),
                "maps": int32(2, 3),
                "dimension": 12,
                "k_top": 2,
            },
            **{"biases": floats(12 + 9), "filters": floats(3 * 2 * 2 * 6), "weights": floats(2, 18)},
            "weights_bias": floats(2),
        },
    ),
    "max_windows_back": (
        kernels.max_windows_back,
        {
            **{"grad": floats(3, 6), "where": np.zeros((3, 6), np.int32), **TEXTS, "sizes": SIZES},
            **{"words": floats(4, 7), "filters": floats(5, 3, 7), "words_too": True, "k": 1, "threads": 2},
        },
    ),
    "sum_windows": (
        kernels.sum_windows,
        {"table": floats(4, 5, 3), **TEXTS, "size": 3, "slot": 2, "wide": True, "positions": 5, "threads": 2},
    ),
    "sum_windows_back": (
        kernels.sum_windows_back,
        {
            **{"grad": floats(3, 5, 3), **TEXTS, "table_grad": floats(4, 5, 3)},
            **{"size": 3, "slot": 2, "wide": True, "threads": 2},
        },
    ),
    "k_max": (
        kernels.k_max,
        {"x": floats(2, 4, 3), "counts": int64(4, 2), "ks": int64(2, 3), "most": 3, "threads": 2},
    ),
    "k_windows": (kernels.k_windows, {**POOLING, "k": 2, "threads": 2}),
    "mean_windows": (kernels.mean_windows, {**POOLING, "threads": 2}),
    "mean_windows_back": (kernels.mean_windows_back, {**POOLING, "grad": floats(3, 6), "threads": 2}),
    "row_layers": (kernels.row_layers, {**LAYERS, "threads": 2}),
    "row_layers_back": (
        layers_back,
        {
            **{"grad": floats(3, 18), **LAYERS, "threads": 2},
            **dict(zip(("features", "values", "places"), kernels.row_layers(**LAYERS), strict=True)),
        },
    ),
    "settle_adam": (
        on_state(kernels.settle_adam),
        state(words=int64(1, 5, 2), owed=np.ones(6), steps=6, threads=2, **_BETAS),
    ),
    "step_adam": (
        on_state(kernels.step_adam),
        state(words=int64(1, 5, 2), grad=floats(3, 4), steps=6, rate=0.1, threads=2, **_BETAS),
    ),
    "step_adadelta": (
        on_state(kernels.step_adadelta),
        state(words=int64(1, 5, 2), grad=floats(3, 4), steps=6, rate=0.1, epsilon=1e-6, rho=0.95, threads=2),
    ),
    "number_words": (kernels.number_words, {"ids": IDS, "numbers": np.zeros(4, np.int32)}),
    "encode": (encode, {"words": VOCABULARY["words"], "word_offsets": VOCABULARY["offsets"], **_ENCODED}),
    "find": (find, {**NGRAMS, **TEXTS}),
    "ngram_logits": (ngram_logits, {**NGRAMS, **TEXTS, "factors": floats(3), "weights": floats(3, 2), "scale": 20}),
}


def named(kind):
    """Kernels with the names of their arguments of a kind."""
    return [(name, key) for name, (_, call) in CALLS.items() for key, value in call.items() if type(value) is kind]


ARRAYS, NUMBERS = named(np.ndarray), named(int)


def arguments(name, **changes):
    return {**copy.deepcopy(CALLS[name][1]), **changes}


def test_every_kernel_is_called_here():
    functions = {name for name, value in vars(kernels).items() if inspect.isfunction(value)}
    assert functions - {"limit_spinning"} <= set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_right_arguments_are_taken(name):
    CALLS[name][0](**arguments(name))


@pytest.mark.parametrize(("name", "key"), ARRAYS)
def test_an_array_of_another_type_or_shape_is_refused(name, key):
    function, call = CALLS[name]
    array = call[key]
    other = np.float64 if array.dtype != np.float64 else np.float32
    refused = [
        (TypeError, array.astype(other)),
        (ValueError, array[None]),
        (ValueError, np.repeat(array, 2, axis=-1)[..., ::2]),
        (TypeError, None),
        (TypeError, array.tolist()),
    ]
    if array.itemsize > 1:
        refused.append((TypeError, array.astype(array.dtype.newbyteorder())))
    for error, wrong in refused:
        with pytest.raises(error) as caught:
            function(**arguments(name, **{key: wrong}))
        assert str(caught.value).startswith(f"{key.removeprefix('word_')}: expected")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "key"), ARRAYS)
def test_a_shorter_array_is_refused_or_does_no_harm(name, key):
    function, call = CALLS[name]
    for axis in range(call[key].ndim):
        for part in (slice(0, -1), slice(0, 0)):
            cut = np.ascontiguousarray(call[key][(slice(None),) * axis + (part,)])
            try:
                function(**arguments(name, **{key: cut}))
            except ValueError as error:
                assert "expected" in str(error)  # noqa: PT017 (no error is right too)


@pytest.mark.parametrize(("name", "key"), NUMBERS)
@pytest.mark.parametrize("wrong", [-1, 2**63, -(2**70), 1.5, "1", None])
def test_a_wrong_number_is_refused(name, key, wrong):
    if (key, wrong) in {("limit", None), ("scale", -1), ("scale", 2**63), ("scale", -(2**70)), ("scale", 1.5)}:
        return
    with pytest.raises((TypeError, ValueError, MemoryError), match=f"^({key}: expected|Maximum|array|Unable)"):
        CALLS[name][0](**arguments(name, **{key: wrong}))


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_a_wrong_item_is_refused_or_does_no_harm(data):
    """Some numbers of one argument are replaced; a sanitiser watches in continuous integration."""
    name, key = data.draw(st.sampled_from(ARRAYS))
    function, _ = CALLS[name]
    call = arguments(name)
    array = call[key] = call[key].copy()
    if not array.size:
        return
    if array.dtype.kind == "f":
        numbers = st.sampled_from([0.0, -1.0, np.nan, np.inf, 1e38])
    else:
        bounds = np.iinfo(array.dtype)
        numbers = st.one_of(
            st.integers(max(-9, bounds.min), 9),
            st.sampled_from([bounds.min, bounds.max, bounds.max // 2, bounds.max - 1]),
        )
    for index, number in data.draw(
        st.lists(st.tuples(st.integers(0, array.size - 1), numbers), min_size=1, max_size=3)
    ):
        array.flat[index] = number
    try:
        with np.errstate(all="ignore"):
            function(**call)
    except ValueError as error:
        assert "expected" in str(error)  # noqa: PT017


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_wrong_texts_are_refused_or_give_the_right_answer(data):
    table = np.arange(20, dtype=np.float32).reshape(4, 5, 1)
    ids = np.array(data.draw(st.lists(st.integers(-2, 5), max_size=8)), np.int32)
    offsets = np.array(data.draw(st.lists(st.integers(-2, 9), max_size=5)), np.int64)
    used = ids[offsets[0] : offsets[-1]] if len(offsets) and (offsets >= 0).all() else ids
    right = (
        len(offsets) > 0
        and offsets[0] >= 0
        and (np.diff(offsets) >= 0).all()
        and offsets[-1] <= len(ids)
        and ((used >= 0) & (used < 4)).all()
    )
    if not right:
        with pytest.raises(ValueError, match=r"^(ids|offsets): expected"):
            kernels.max_windows(table, ids, offsets, SIZES, wide=True)
        return
    best, _ = kernels.max_windows(table, ids, offsets, int32(5), wide=False)
    for b, (begin, end) in enumerate(itertools.pairwise(offsets)):
        text = ids[begin:end]
        starts = range(max(len(text) - 4, 1)) if len(text) else []
        sums = [sum(table[word, j, 0] for j, word in enumerate(text[s : s + 5])) for s in starts]
        assert best[b, 0] == max(sums, default=0)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("max_windows", {"ids": int32(0, 3, 1, 9, 2)}, r"ids: .* 0 to 3, found 9 at index 3"),
        ("max_windows", {"ids": int32(0, -3, 1, 2, 2)}, r"ids: .* found -3 at index 1"),
        ("max_windows", {"offsets": int64(0, 3, 2, 5)}, r"offsets: .* found 2 at index 2"),
        ("max_windows", {"offsets": int64(-1, 3, 3, 5)}, r"offsets: .* found -1 at index 0"),
        ("max_windows", {"offsets": int64(0, 3, 3, 6)}, r"offsets: .* at most 5, found 6 at index 3"),
        ("max_windows", {"sizes": int32(2, 2)}, r"sizes: .* sum of 5, .* found 4"),
        ("max_windows", {"sizes": int32(0, 5)}, r"sizes: .* found 0 at index 0"),
        ("max_windows", {"sizes": int32(5, 2**31 - 1)}, r"sizes: .* found 2147483647 at index 1"),
        ("max_logits", {"weights": floats(2, 5)}, r"weights: expected the shape \(2, 6\), found \(2, 5\)"),
        ("code_logits", {"scales": floats(1, 3)}, "scales: expected 2 regions, found 1"),
        ("code_logits", {"scales": floats(2, 4)}, r"scales: expected the shape \(2, 3\), found \(2, 4\)"),
        (
            "code_logits",
            {"table": np.ones((4, 302, 3), np.int8), "sizes": np.array([2, 300], np.int32)},
            "sizes: expected at most 256, found 300",
        ),
        ("max_windows_back", {"where": np.full((3, 6), 3, np.int32)}, r"where: .* -1 to 2 in text 0"),
        ("max_windows_back", {"where": np.full((3, 6), -2, np.int32)}, r"where: .* -1 to 2 in text 0"),
        ("sum_windows", {"positions": 4}, r"positions: expected 5 or more, found 4"),
        ("sum_windows", {"slot": 3}, r"slot: expected 0 to 2, found 3"),
        ("sum_windows_back", {"grad": floats(3, 4, 3)}, r"grad: expected 5 positions or more, found 4"),
        ("k_max", {"counts": int64(5, 2)}, r"counts: .* 0 to 4, found 5 at index 0"),
        ("k_max", {"ks": int64(2, 4)}, r"ks: .* 0 to 3, found 4 at index 1"),
        ("mean_windows", {"bias": floats(3, 3)}, r"bias: expected the shape \(2, 3\), found \(3, 3\)"),
        ("row_layers", {"words": floats(4, 1, 10)}, r"dimension: expected a multiple of 4, found 10"),
        ("row_layers", {"words": floats(4, 0, 12)}, r"words: .* found 0 of 12"),
        ("row_layers", {"first": floats(1, 3, 3, 12)}, r"first: expected the shape \(1, 3, 2, 12\)"),
        ("row_layers_back", {"places": np.full(84, 5, np.int32)}, r"places: .* 0 to 4, found 5 at index 0"),
        ("row_logits", {"dimension": 10}, r"dimension: expected a multiple of 4, found 10"),
        ("settle_adam", {"words": int64(1, 6, 2)}, r"words: .* 0 to 5, found 6 at index 1"),
        ("settle_adam", {"last": int64(0, 10**6, 0, 0, 0, 0)}, r"last: .* 0 to 6, found 1000000 at index 1"),
        ("settle_adam", {"owed": np.ones(5)}, r"owed: .* found 5"),
        ("step_adadelta", {"last": int64(0, 6, 0, 0, 0, 0)}, r"last: .* 0 to 5, found 6 at index 1"),
        ("number_words", {"ids": int32(0, 4)}, r"ids: .* 0 to 3, found 4 at index 1"),
        ("find", {"keys": int64(2, 2, 14)}, r"keys: .* found 2 at index 1"),
        ("find", {"keys": int64(2, 3, 16)}, r"keys: .* 0 to 15, found 16 at index 2"),
        ("find", {"order": 32}, r"order: .* below 2\*\*63, found 4 \*\* 32"),
        ("find", {"ids": int32(0, 3, 1, 4, 2)}, r"ids: .* 0 to 3, found 4 at index 3"),
    ],
)
def test_the_message_names_the_argument(name, changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        CALLS[name][0](**arguments(name, **changes))


def test_read_only_state_is_refused():
    last = int64(*range(6))
    last.flags.writeable = False
    with pytest.raises(ValueError, match="^last: expected a contiguous and writable array"):
        CALLS["step_adam"][0](**arguments("step_adam", last=last))


def test_a_vocabulary_is_what_it_was_when_it_was_made():
    offsets = VOCABULARY["offsets"].copy()
    table = kernels.WordTable(VOCABULARY["words"], offsets)
    copies = [pickle.loads(pickle.dumps(table)), copy.deepcopy(table)]  # noqa: S301
    offsets[:] = 1 << 60
    for same in (table, *copies):
        ids, counts = same.encode(**_ENCODED)
        assert (ids.tolist(), counts.tolist()) == ([2, 3, 1, 1], [2, 0, 2])


LENGTHS = [[3], [1], [3, -1], [-1, 3], [1, 2], [2**62, 2**62]]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("pooling", ["max", "k-max"])
def test_kim_refuses_lengths_that_do_not_sum_to_the_ids(lengths, pooling):
    model = KimCNN(KimConfig(ngrams=0, dimension=8, feature_maps=4, pooling=pooling), vocabulary_size=20, classes=2)
    with pytest.raises(ValueError, match=r"^(lengths|offsets): expected"):
        model(torch.tensor([5, 8]), torch.tensor(lengths))


@pytest.mark.parametrize("lengths", LENGTHS)
def test_dcnn_refuses_lengths_that_do_not_sum_to_the_ids(lengths):
    config = DCNNConfig(ngrams=0, dimension=8, feature_maps=(2, 2), region_sizes=(3, 2), k_top=2)
    with pytest.raises(ValueError, match=r"^(lengths|offsets): expected"):
        DCNN(config, vocabulary_size=20, classes=2)(torch.tensor([5, 8]), torch.tensor(lengths))


@pytest.mark.parametrize(("ids", "offsets"), [([99], [0, 1]), ([-9], [0, 1]), ([1], [0, 2]), ([1], [-1, 1])])
@pytest.mark.parametrize("met", [False, True])
def test_a_predictor_refuses_wrong_ids_and_offsets(ids, offsets, met):
    config = KimConfig(ngrams=0, dimension=2, feature_maps=3, region_sizes=(1, 2))
    network = KimCNN(config, vocabulary_size=4, classes=2)
    weights = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    predictor = Predictor(Artifact(TextConfig(), config, np.array(["a", "b"]), ["x", "y"], weights, {}, {}, 1.0))
    if met:
        predictor.logits(Encoded(np.arange(4, dtype=np.int32), int64(0, 4)))
    with pytest.raises((IndexError, ValueError)):
        predictor.logits(Encoded(np.array(ids, np.int32), np.array(offsets)))


def test_an_optimiser_refuses_a_row_from_the_future():
    rows = ROW_OPTIMIZERS["adam"](torch.zeros(5, 3), 0.1)
    rows.step(torch.tensor([1, 2]), torch.ones(2, 3))
    rows.last[1] = 10**6
    with pytest.raises(ValueError, match="^last: expected .* found 1000000 at index 1"):
        rows.settle(torch.tensor([1]))
