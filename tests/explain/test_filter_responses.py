import numpy as np
import pyarrow as pa
import pytest
from models import hand_made, model

from textcnn import kernels
from textcnn.errors import ConfigError
from textcnn.explain.filter_responses import describe_filters
from textcnn.settings.config import DCNNConfig, DPCNNConfig, KimConfig, StackedConfig
from textcnn.text.vocabulary import FIRST_WORD

TEXTS = ["w0 w1 w2 w3", "w3 w3 unheard w1", "", "w7", "w5 w6 w7 w0 w1 w2", "w0 w1 w2 w3"]
CONFIGS = [
    KimConfig(dimension=5, region_sizes=(1, 3), feature_maps=3, ngrams=2),
    KimConfig(ngrams=0, dimension=5, region_sizes=(2,), feature_maps=3, padding="narrow"),
    StackedConfig(ngrams=0, dimension=4, feature_maps=(3, 3)),
    DCNNConfig(ngrams=0, dimension=8, region_sizes=(3, 2), feature_maps=(2, 3)),
    DPCNNConfig(ngrams=0, dimension=5, region_sizes=(1, 4), feature_maps=3),
]


def slow(predictor, texts):
    """Every window of every text, one after the other: for each filter (response, words) of each text's strongest."""
    scorer, config = predictor.scorer, predictor.artifact.model
    kim = isinstance(config, KimConfig)
    sizes = config.region_sizes if kim or isinstance(config, DPCNNConfig) else config.region_sizes[:1]
    maps = scorer.table.shape[1]
    bias = np.zeros((len(sizes), maps)) if isinstance(config, DCNNConfig) else scorer.bias.reshape(len(sizes), maps)
    out = {}
    for region, size in enumerate(sizes):
        slot = sum(sizes[:region])
        for f in range(maps):
            strongest = []
            for text in texts:
                ids = [number for _, number in predictor.tokens(text)]
                if not ids:
                    continue
                wide = not kim or config.padding == "wide"
                starts = range(1 - size, len(ids)) if wide else range(max(len(ids) - size, 0) + 1)
                if isinstance(config, DPCNNConfig):  # the middle is a word
                    starts = range(-(size // 2), len(ids) - size // 2)
                best = None
                for start in starts:
                    inside = [(j, ids[start + j]) for j in range(size) if 0 <= start + j < len(ids)]
                    table = scorer.table.look_up(np.array([number for _, number in inside], np.int32))
                    response = bias[region, f] + sum(
                        float(table[0][place, slot + j, f]) for (j, _), place in zip(inside, table[1], strict=True)
                    )
                    words = [number for _, number in inside]
                    if best is None or response > best[0] + 1e-6:
                        best = response, words
                strongest.append(best)
            out[region, f] = strongest
    return out


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{type(config).__name__}{len(config.region_sizes)}")
def test_filters_against_a_slow_loop(config, compiled, monkeypatch):
    if compiled and not kernels.compiled:
        pytest.skip("no compiled loops here")
    monkeypatch.setattr(kernels, "compiled", compiled)
    predictor = model(config)
    words = predictor.artifact.words
    filters = describe_filters(predictor, pa.chunked_array([TEXTS]), most=999, ngrams=2)
    expected = slow(predictor, TEXTS)
    maps = predictor.scorer.table.shape[1]
    assert len(filters) == len(expected)
    for one in filters:
        size, number = (int(part) for part in one.name.split(",")[0].split("-"))
        row = int(one.name.split("row ")[1]) if "row" in one.name else None
        f = number if row is None else number * config.dimension // 2 + row
        region = config.region_sizes.index(size)
        strongest = expected[region, f]
        assert one.active == pytest.approx(np.mean([response > 0 for response, _ in strongest]))
        assert one.mean == pytest.approx(np.mean([max(response, 0) for response, _ in strongest]), rel=1e-4, abs=1e-5)
        response, ids = max(strongest, key=lambda pair: pair[0])
        assert one.picked[0].response == pytest.approx(response, rel=1e-4, abs=1e-5)
        assert one.picked[0].text == " ".join(words[i - FIRST_WORD] if i >= FIRST_WORD else "?" for i in ids)
        # No n-gram of any words gets more.
        table = predictor.scorer.table.project(predictor.scorer.table.rows[FIRST_WORD:])
        slot = sum(config.region_sizes[:region])
        best = table[:, slot : slot + size, f].max(axis=0)
        bias = 0.0 if isinstance(config, DCNNConfig) else predictor.scorer.bias.reshape(-1, maps)[region, f]
        assert one.most == pytest.approx(best.sum() + bias, rel=1e-5)
        for j, word in enumerate(one.wants):
            assert table[words.index(word), slot + j, f] == best[j]
    if isinstance(config, KimConfig):
        weights = predictor.artifact.weights["softmax.weight"]
        strength = [one.mean * np.abs(one.classes).max() for one in filters]
        assert strength == sorted(strength, reverse=True)
        assert np.allclose(sorted(one.classes[0] for one in filters), sorted(weights[0] - weights.mean(axis=0)))


def test_the_filters_that_a_word_excites():
    predictor = hand_made()
    first = describe_filters(predictor, pa.chunked_array([["not good"]]), word="not")[0]
    assert first.name == "2-1"
    assert first.wants == ("not", "good")
    assert first.most == pytest.approx(0.5)
    assert (first.picked[0].text, first.picked[0].count, first.active) == ("not good", 1, 1.0)
    with pytest.raises(ConfigError, match="expected a word that the model knows, found 'unheard'"):
        describe_filters(predictor, pa.chunked_array([["not good"]]), word="unheard")
