"""Networks whose words have the rows of their character n-grams, against a dictionary of rows made one by one."""

import dataclasses

import numpy as np
import pytest
import torch

from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, DPCNNConfig, KimConfig, StackedConfig
from textcnn.text.subwords import SubwordIndex, hash_ngrams
from textcnn.text.tokens import Ngrams

KNOWN = ["good", "goods", "bad", "wood"]  # ids 2 to 5
OTHERS = ["goody", "zzz"]  # ids 6 and 7
V, W = len(KNOWN) + 2, len(KNOWN) + len(OTHERS) + 2
SIZES = (2, 3)
KIM = KimConfig(ngrams=0, dimension=6, region_sizes=(2, 3), feature_maps=4, char_ngrams=SIZES)
CONFIGS = [
    KIM,
    dataclasses.replace(KIM, channels="multichannel", pooling="average"),
    dataclasses.replace(KIM, channels="multichannel", multichannel_filters="separate"),
    DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2), feature_maps=(2, 3), k_top=2, char_ngrams=SIZES),
    StackedConfig(ngrams=0, dimension=6, region_sizes=(2, 3), feature_maps=(4, 5), char_ngrams=SIZES),
    DPCNNConfig(ngrams=0, dimension=6, feature_maps=4, blocks=3, char_ngrams=SIZES),
]
IDS = torch.tensor([2, 6, 3, 3, W + 2, 7, 4, W + 6, 5, 2, 1])  # hidden words are those from W on
LENGTHS = torch.tensor([4, 0, 6, 1])


def subwords():
    """The buckets of the known words, and the n-grams of all."""
    buckets = np.unique(hash_ngrams(KNOWN, *SIZES)[0])
    found = SubwordIndex(buckets, SIZES).find(KNOWN + OTHERS)
    none = np.zeros(2, np.int64)
    ngrams = Ngrams(found.rows, np.concatenate([none, found.offsets]), np.concatenate([none, found.counts]))
    return torch.from_numpy(buckets), ngrams


def ngrams_of(word, buckets):
    """The rows of a word's n-grams, and what each is multiplied by."""
    rows = {number: row for row, number in enumerate(buckets.tolist())}
    characters = f"<{word}>"
    found = [characters[i : i + n] for n in range(SIZES[0], SIZES[1] + 1) for i in range(len(characters) - n + 1)]
    numbers = []
    for ngram in found:
        number = 2166136261
        for byte in ngram.encode():
            number = ((number ^ byte) * 16777619) % 2**32
        numbers.append(number % 2**15)
    return [rows[number] for number in numbers if number in rows], len(found) ** -0.5


def make(config, dtype=torch.float32):
    """A network with n-grams, and one without whose words, known, others and hidden, all have rows."""
    torch.manual_seed(0)
    shared = {"vocabulary_size": V, "classes": 3}
    vectors = torch.randn(V, config.dimension) if config.pretrained else None
    network = make_network(config, vectors=vectors, subwords=subwords(), **shared)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    plain = make_network(
        config,
        vocabulary_size=2 * W,
        classes=3,
        vectors=torch.zeros(2 * W, config.dimension) if config.pretrained else None,
    )
    for name, weight in plain.named_parameters():
        if not name.startswith("channels."):
            weight.data.copy_(dict(network.named_parameters())[name])
    buckets, table = network.channels.subwords.buckets, network.channels.subwords.weight.detach()
    rows = torch.zeros(2 * W, config.dimension)
    for i, word in enumerate(KNOWN + OTHERS, 2):
        places, scale = ngrams_of(word, buckets)
        for place in places:
            rows[i] += scale * table[place]
        rows[i + W] = rows[i]
    rows[:V] += network.channels.tuned.detach()
    plain.channels.tuned.data.copy_(rows)
    if config.channels == "multichannel":
        plain.channels.fixed[:V] = network.channels.fixed
    return network.to(dtype).eval(), plain.to(dtype).eval()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)
@pytest.mark.parametrize("sparse", [False, True])
def test_scores_and_gradients_are_those_of_rows_made_one_by_one(config, sparse):
    network, plain = make(config)
    network.channels.sparse = network.channels.subwords.sparse = sparse
    with torch.no_grad():
        torch.testing.assert_close(network(IDS, LENGTHS), plain(IDS, LENGTHS), rtol=1e-5, atol=1e-5)
    for model in (network, plain):
        model(IDS, LENGTHS).square().sum().backward()
    of_rows = plain.channels.tuned.grad.double()  # (2 W, D)
    own = torch.zeros(V, config.dimension, dtype=torch.float64)
    of_ngrams = torch.zeros(len(network.channels.subwords.buckets), config.dimension, dtype=torch.float64)
    for i, word in enumerate(["", "", *KNOWN, *OTHERS]):
        if i < V:
            own[i] += of_rows[i]
        if i > 1:
            places, scale = ngrams_of(word, network.channels.subwords.buckets)
            for place in places:
                of_ngrams[place] += scale * (of_rows[i] + of_rows[i + W])
    for parameter, expected in [(network.channels.tuned, own), (network.channels.subwords.weight, of_ngrams)]:
        assert parameter.grad.is_sparse == sparse
        found = (parameter.grad.to_dense() if sparse else parameter.grad).double()
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_rows_start_at_zero():
    network = make_network(KIM, vocabulary_size=V, classes=2, subwords=subwords())
    assert not network.channels.subwords.weight.any()


def test_what_a_batch_reads():
    network, _ = make(KIM)
    distinct = torch.tensor([2, 7, W + 2])
    found = network.rows(distinct, network.find(distinct, torch.tensor([0, 1, 2]), torch.tensor([3])))
    assert found["channels.tuned"].tolist() == [2]
    assert found["channels.subwords.weight"].tolist() == sorted(
        {*ngrams_of("good", subwords()[0])[0], *ngrams_of("zzz", subwords()[0])[0]}
    )


def test_subwords_for_settings_without_them():
    with pytest.raises(ValueError, match="^subwords: expected None for settings without char_ngrams, found n-grams"):
        make_network(dataclasses.replace(KIM, char_ngrams=()), vocabulary_size=V, classes=2, subwords=subwords())
