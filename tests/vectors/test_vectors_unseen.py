import numpy as np
import pytest

from textcnn import TextCNNClassifier, load_model
from textcnn.errors import VectorsError
from textcnn.settings.config import TextConfig
from textcnn.text.vocabulary import Vocabulary
from textcnn.vectors import with_unseen_words


@pytest.fixture
def vectors(tmp_path):
    path = tmp_path / "vectors.txt"
    words = ["good", "The", "the", "new-york", "splendid", "dreadful", "Paris", "good", "ghastly"]
    rows = [f"{word} {number} {number % 3 - 1}" for number, word in enumerate(words, 1)]
    path.write_text(f"{len(words)} 2\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"unseen_words": 0}, []),
        ({"unseen_words": 2}, ["the", "splendid"]),  # new-york is three tokens
        ({"unseen_words": 9}, ["the", "splendid", "dreadful", "paris", "ghastly"]),
        (
            {"unseen_words": 9, "lowercase": False, "tokenizer": "whitespace"},
            ["The", "the", "new-york", "splendid", "dreadful", "Paris", "ghastly"],
        ),
    ],
)
def test_the_first_words_that_the_vocabulary_lacks(vectors, settings, expected):
    vocabulary = with_unseen_words(Vocabulary(["bad", "good"]), vectors, TextConfig(**settings))
    assert vocabulary.words == ["bad", "good", *expected]


@pytest.mark.parametrize("channels", ["static", "non-static", "multichannel"])
def test_unseen_words_keep_their_vectors(vectors, channels, tmp_path):
    texts, labels = ["good good", "bad bad"] * 10, ["pos", "neg"] * 10
    settings = {"vectors": vectors, "channels": channels, "feature_maps": 3, "vector_norm": 0, "max_epochs": 2}
    TextCNNClassifier(**settings).fit(texts, labels).save(tmp_path / "model")
    model = load_model(tmp_path / "model")
    words = model.artifact.words
    assert words[2:] == ["the", "splendid", "dreadful", "paris", "ghastly"]
    assert model.artifact.training["vectors"] == {"found": 1, "words": 2, "unseen": 5}
    for name, table in model.artifact.weights.items():
        if name.startswith("channels."):
            np.testing.assert_array_equal(table[2 + words.index("splendid")], [5, 1])
            np.testing.assert_array_equal(table[2 + words.index("paris")], [7, 0])
    assert model.scores(["splendid good", "unheard of"]).known.tolist() == [2, 0]
    without = TextCNNClassifier(**settings, unseen_words=0).fit(texts, labels).model_
    assert without.scores(["splendid good"]).known.tolist() == [1]


def test_a_pickle_is_not_loaded_unless_trusted(tmp_path):
    models = pytest.importorskip("gensim.models")
    keyed = models.KeyedVectors(2)
    keyed.add_vectors(["good", "splendid"], np.ones((2, 2), np.float32))
    keyed.save(str(tmp_path / "vectors.kv"))
    vocabulary, config = Vocabulary(["bad", "good"]), TextConfig(unseen_words=9)
    for source, options in ((keyed, {}), (tmp_path / "vectors.kv", {"trust_pickle": True})):
        assert with_unseen_words(vocabulary, source, config, **options).words == ["bad", "good", "splendid"]
    with pytest.raises(VectorsError, match="trust_pickle"):
        with_unseen_words(vocabulary, tmp_path / "vectors.kv", config)
