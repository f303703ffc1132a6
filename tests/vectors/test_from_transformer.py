"""Word vectors of a transformer, against one word at a time and numpy's singular values."""

from __future__ import annotations

import gzip
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import textcnn
from textcnn.errors import ConfigError, VectorsError
from textcnn.vectors import load_vectors
from textcnn.vectors._reading import first_words
from textcnn.vectors.from_transformer import principal_components, transformer_vectors

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")

LONG = "abc" * 30  # 90 pieces
TEXTS = ["A goodish film, a GOOD filmer!", "", f"good {LONG} 000 日", *(f"w{letter} x{letter}x" for letter in "abcdef")]
WORDS = f"a good ! , 000 {LONG} film filmer goodish wa wb wc wd we wf xax xbx xcx xdx xex xfx"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out" / "vectors.bin"


@pytest.fixture(autouse=True)
def _folder(output):
    output.parent.mkdir()


@pytest.fixture
def copy(tiny_bert, tmp_path):
    """A copy of the model to change."""
    return shutil.copytree(tiny_bert, tmp_path / "copy")


def names(output):
    return [path.name for path in output.parent.iterdir()]


def slow_states(folder, words, longest=64):
    """The mean hidden state of each word's pieces: one word at a time, by a loop over its pieces."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows = []
    for word in words:
        pieces = tokenizer.tokenize(word)[: longest - 2]
        ids = tokenizer.convert_tokens_to_ids([tokenizer.cls_token, *pieces, tokenizer.sep_token])
        with torch.no_grad():
            states = model(torch.tensor([ids])).last_hidden_state[0].double().numpy()
        rows.append(sum(states[1:-1]) / len(pieces))
    return np.array(rows)


def slow_components(rows, dimension):
    """The principal components by a singular value decomposition."""
    centred = rows - rows.mean(axis=0)
    left, values, right = np.linalg.svd(centred, full_matrices=False)
    signs = [np.sign(axis[np.argmax(np.abs(axis))]) for axis in right]
    kept = (values[:dimension] ** 2).sum() / (values**2).sum()
    return (left * values * signs)[:, :dimension], kept


def test_vectors_are_the_components_of_the_mean_states(tiny_bert, output):
    made = transformer_vectors(TEXTS, tiny_bert, output, dimension=5)
    words = first_words(output, 100)
    assert sorted(words) == sorted(WORDS.split())
    assert words[:2] == ["a", "good"]
    expected, kept = slow_components(slow_states(tiny_bert, words), 5)
    np.testing.assert_allclose(load_vectors(output, words).matrix, expected, atol=2e-5)
    assert made.variance == pytest.approx(kept)
    assert (made.path, made.size) == (output, output.stat().st_size)
    assert (made.words, made.more_words, made.unknown, made.distinct) == (len(words), 0, 1, len(words) + 1)
    assert (made.dimension, made.hidden, made.texts, made.tokens) == (5, 16, len(TEXTS), 24)
    assert made.seconds > 0
    assert names(output) == ["vectors.bin"]


def test_it_is_a_public_name():
    assert textcnn.transformer_vectors is transformer_vectors


def test_more_words_follow_in_their_form_as_tokens(tiny_bert, output):
    more = ["Zebra", "good", "New York", "日本", "zebra", "x" * 5000]
    made = transformer_vectors(TEXTS, tiny_bert, output, dimension=3, min_count=2, more_words=more)
    assert first_words(output, 100) == ["a", "good", "zebra", "new", "york"]
    assert (made.words, made.more_words, made.unknown) == (5, 3, 2)
    transformer_vectors(TEXTS, tiny_bert, output, dimension=2, more_words=more, lowercase=False, overwrite=True)
    assert {"Zebra", "zebra", "New", "GOOD"} < set(first_words(output, 100))


def test_equal_input_gives_equal_bits_gzipped_too(tiny_bert, output):
    zipped = output.with_suffix(".bin.gz")
    transformer_vectors(TEXTS, tiny_bert, output, dimension=5)
    transformer_vectors(iter([TEXTS[:3], TEXTS[3:]]), os.fspath(tiny_bert), zipped, dimension=5)
    assert gzip.decompress(zipped.read_bytes()) == output.read_bytes()


def test_weights_in_half_precision_are_computed_in_single(tiny_bert, copy, output):
    transformers.AutoModel.from_pretrained(tiny_bert).half().save_pretrained(copy)
    transformer_vectors(TEXTS, copy, output, dimension=4)
    expected, _ = slow_components(slow_states(tiny_bert, first_words(output, 100)), 4)
    np.testing.assert_allclose(load_vectors(output, first_words(output, 100)).matrix, expected, atol=0.02)


def test_tokenizers_of_bytes_get_the_space_before_the_word(copy, output):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<pad>", "<s>", "</s>", *letters, "Ġa", "Ġg"]
    ids = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(ids, [("Ġ", "a"), ("Ġ", "g")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{"pad_token": "<pad>", "eos_token": "</s>"}
    )
    fast.save_pretrained(copy)
    config = transformers.BertConfig.from_pretrained(copy, vocab_size=len(pieces))
    model = transformers.BertModel(config).eval()
    model.save_pretrained(copy)
    words = ["go", "of", "gg"]
    transformer_vectors([" ".join(words)], copy, output, dimension=2)
    rows = [[ids[piece] for piece in split] for split in (["Ġg", "o"], ["Ġ", "o", "f"], ["Ġg", "g"])]
    with torch.no_grad():
        states = np.array([model(torch.tensor([row])).last_hidden_state[0].mean(0).numpy() for row in rows])
    expected, _ = slow_components(states, 2)
    np.testing.assert_allclose(load_vectors(output, words).matrix, expected, atol=2e-5)


def test_progress(tiny_bert, output):
    reports = []
    transformer_vectors(TEXTS, tiny_bert, output, dimension=2, progress=lambda *report: reports.append(report))
    assert reports[:3] == [("loading the encoder", 0.0), ("reading texts", 0.0), ("encoding words", 0.0)]
    shares = [share for step, share in reports[2:] if step == "encoding words"]
    assert len(shares) == len(reports) - 2 > 3
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_an_interruption_leaves_nothing_or_what_was_there(tiny_bert, output):
    def interrupt(step, share):
        if share > 0:
            raise KeyboardInterrupt

    for before in ([], ["vectors.bin"]):
        with pytest.raises(KeyboardInterrupt):
            transformer_vectors(TEXTS, tiny_bert, output, dimension=2, overwrite=True, progress=interrupt)
        assert names(output) == before
        output.write_bytes(b"old")
    assert output.read_bytes() == b"old"


def test_the_libraries_bars_and_messages_come_back(tiny_bert, output, capfd):
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging

    def state():
        return logging.get_verbosity(), logging.is_progress_bar_enabled(), are_progress_bars_disabled()

    before = state()
    transformer_vectors(TEXTS, tiny_bert, output, dimension=2)
    assert state() == before
    assert capfd.readouterr() == ("", "")


def test_a_folder_makes_no_network_call(tiny_bert, output, no_network):
    transformer_vectors(TEXTS, tiny_bert, output, dimension=2)
    assert no_network == []


def message(kind, encoder, output, texts=TEXTS, **options):
    with pytest.raises(kind) as caught:
        transformer_vectors(texts, encoder, output, **{"dimension": 2, **options})
    assert "\n" not in str(caught.value)
    assert names(output) == []
    return str(caught.value).replace(str(encoder), "MODEL")


def test_a_model_on_the_hub(tiny_bert, tmp_path, output, no_network, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    found = message(VectorsError, "owner/tiny", output)
    assert found.startswith("MODEL: expected a folder or a model on the hub, found no such folder, and cannot reach")
    assert no_network
    no_network.clear()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert message(VectorsError, "owner/tiny", output) == (
        "MODEL: expected a folder or a model on the hub, found no such folder, and HF_HUB_OFFLINE is set, and it was "
        "not fetched before; check the path or the network"
    )
    folder = cache / "models--owner--tiny"
    shutil.copytree(tiny_bert, folder / "snapshots" / "abc")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    assert transformer_vectors(TEXTS, "owner/tiny", output, dimension=2).hidden == 16
    assert no_network == []


def test_what_is_fetched_from_the_hub_has_no_pickle(tiny_bert, output, monkeypatch):
    asked = []

    def fetch(name, **patterns):
        asked.append((name, patterns))
        return str(tiny_bert)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    transformer_vectors(TEXTS, "owner/tiny", output, dimension=2)
    patterns = {"allow_patterns": ["*.json", "*.txt", "*.model", "*.safetensors"], "ignore_patterns": ["*/*"]}
    assert asked == [("owner/tiny", {"revision": None, **patterns})]


def test_a_name_that_the_hub_does_not_have(output, monkeypatch):
    from huggingface_hub.utils import RepositoryNotFoundError

    def fetch(name, **_patterns):
        raise RepositoryNotFoundError.__new__(RepositoryNotFoundError)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    assert message(VectorsError, "owner/none", output) == (
        "expected a model on the Hugging Face hub, but there is no MODEL, or it is not public; correct the name or "
        "log in to the hub; for a folder, give its path"
    )

    def fail(name, **_patterns):
        raise RuntimeError("out of\norder.")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    assert message(VectorsError, "owner/none", output) == (
        "MODEL: the Hugging Face hub did not give it: out of order; try again, or give a folder"
    )


class Marker:
    """Leaves a mark when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickled_checkpoint_is_not_loaded(copy, output, tmp_path):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(pickle.dumps(Marker(tmp_path / "mark")))
    found = message(VectorsError, copy, output)
    assert found.startswith("MODEL: expected files of a transformers model with its tokenizer and model.safetensors,")
    assert found.endswith("; give another")
    assert not (tmp_path / "mark").exists()


def test_a_model_that_lacks_weights(copy, output):
    from safetensors.numpy import load_file, save_file

    weights = load_file(copy / "model.safetensors")
    rest = {name: rows for name, rows in weights.items() if "layer.1" not in name and "pooler" not in name}
    save_file(rest, copy / "model.safetensors", metadata={"format": "pt"})
    found = message(VectorsError, copy, output)
    assert found.startswith("MODEL: expected all weights of BertModel, found none for encoder.layer.1.attention.output")
    assert found.endswith(" and 13 more; give a folder with the whole model")
    whole = {name: rows for name, rows in weights.items() if "pooler" not in name}
    save_file(whole, copy / "model.safetensors", metadata={"format": "pt"})
    assert transformer_vectors(TEXTS, copy, output, dimension=2).hidden == 16


def test_a_damaged_or_foreign_model(copy, output):
    whole = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[:1000])
    assert message(VectorsError, copy, output).startswith("MODEL: expected files of a transformers model")
    (copy / "model.safetensors").write_bytes(whole)
    (copy / "config.json").write_text(json.dumps({"model_type": "nothing"}))
    assert message(VectorsError, copy, output).startswith("MODEL: expected files of a transformers model")
    config = transformers.T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, vocab_size=99)
    transformers.T5Model(config).save_pretrained(copy)
    assert message(VectorsError, copy, output).startswith("MODEL: expected an encoder that reads texts by themselves,")


def test_what_is_no_model(output, tmp_path):
    (tmp_path / "empty").mkdir()
    assert message(VectorsError, tmp_path / "empty", output) == (
        "MODEL: expected the folder of a transformers model, found no config.json there; give the folder that "
        "save_pretrained wrote"
    )
    (tmp_path / "file").touch()
    assert message(VectorsError, tmp_path / "file", output) == (
        "MODEL: expected the folder of a transformers model, found a file; give its folder"
    )
    assert message(VectorsError, tmp_path / "emty", output) == (
        "MODEL: expected the folder of a transformers model, found nothing there; nearest to 'emty': empty; check the "
        "path, or give a name on the Hugging Face hub"
    )


def test_settings_out_of_range(tiny_bert, output):
    assert message(ConfigError, tiny_bert, output, dimension=0) == (
        "dimension: expected a whole number from 1 to 10,000, found 0"
    )
    assert message(ConfigError, tiny_bert, output, min_count=0) == (
        "min_count: expected a whole number from 1 to 1,000,000,000,000, found 0"
    )
    assert message(ConfigError, tiny_bert, output, dimension=17) == (
        "dimension: expected at most 16, the length of the hidden states of MODEL, found 17"
    )
    assert message(ConfigError, tiny_bert, output, texts=["good film 日"]) == (
        "dimension: expected fewer than the 2 words that the encoder knows, found 2; give more texts or a smaller one"
    )
    assert message(VectorsError, tiny_bert, output, texts=[]).startswith("expected words that occur once or more")


def test_a_file_that_is_there_is_kept(tiny_bert, output):
    output.write_bytes(b"old")
    with pytest.raises(VectorsError, match="exists.*--overwrite"):
        transformer_vectors(TEXTS, tiny_bert, output, dimension=2)
    assert output.read_bytes() == b"old"


def test_transformers_is_asked_for_by_name(tiny_bert, output, monkeypatch):
    monkeypatch.setattr("textcnn.vectors.transformer_files.find_spec", lambda _name: None)
    assert message(ConfigError, tiny_bert, output) == (
        "expected the library transformers, which runs it, found none; install it: pip install 'textcnn[teacher]'"
    )


@given(
    arrays(np.float32, st.tuples(st.integers(2, 12), st.integers(1, 6)), elements=st.integers(-50, 50)),
    st.data(),
)
def test_components_are_those_of_the_singular_values(rows, data):
    dimension = data.draw(st.integers(1, rows.shape[1]))
    made, kept = principal_components(rows, dimension)
    assert made.shape == (len(rows), dimension)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made.mean(axis=0), 0, atol=1e-3)
    values = np.linalg.svd(rows - rows.mean(axis=0, dtype=np.float64), compute_uv=False)
    values = np.append(values, np.zeros(rows.shape[1]))[:dimension]
    np.testing.assert_allclose(np.linalg.norm(made.astype(np.float64), axis=0), values, atol=1e-2)
    whole, _ = principal_components(rows, rows.shape[1])
    distances = np.linalg.norm(rows[:, None].astype(np.float64) - rows, axis=2)
    np.testing.assert_allclose(np.linalg.norm(whole[:, None] - whole, axis=2), distances, atol=1e-3)
    np.testing.assert_allclose(whole[:, :dimension], made, atol=1e-4)
    assert 0 <= kept <= 1 + 1e-9


def test_components_of_many_rows_and_equal_rows():
    rows = np.random.default_rng(0).normal(size=(9000, 7)).astype(np.float32) * np.arange(1, 8, dtype=np.float32)
    made, kept = principal_components(rows, 3)
    expected, share = slow_components(rows.astype(np.float64), 3)
    np.testing.assert_allclose(made, expected, atol=1e-3)
    assert kept == pytest.approx(share)
    made, kept = principal_components(np.ones((3, 2), np.float32), 1)
    assert (made.tolist(), kept) == ([[0], [0], [0]], 1)
