"""A pretrained transformer that turns single words into vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from textcnn.errors import VectorsError, listed, one_line
from textcnn.vectors.transformer_files import LOCAL, check_transformer, quiet, transformer_folder

_LONGEST = 64  # pieces of a word that are read, a few special ones included
_BATCH = 4096  # pieces that are encoded at once: more is no faster on a CPU


class WordEncoder:
    """A transformer and its tokenizer, in single precision on the CPU.

    The weights are read from safetensors files alone: other checkpoints are pickles, which can run code. A folder is
    never looked up on the network; of a model on the Hugging Face hub the newest version is fetched, or with
    ``HF_HUB_OFFLINE=1``, or without a network, the one fetched last.

    Args:
        name: A folder that `save_pretrained` wrote, or a name on the hub.

    Raises:
        VectorsError: It cannot be fetched or read, or it lacks weights.
    """

    def __init__(self, name: str) -> None:
        from transformers import AutoModel, AutoTokenizer

        self.name = name
        check_transformer(name, VectorsError)
        folder = transformer_folder(name, VectorsError)
        with quiet(), self._explained("files of a transformers model with its tokenizer and model.safetensors"):
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **LOCAL)
            loaded: Any = AutoModel.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **LOCAL)
        model, info = loaded
        # What is missing starts at random. The pooler comes after the last hidden states, which are all that is used.
        missing = sorted(key for key in info["missing_keys"] if not key.startswith("pooler."))
        if missing:
            raise VectorsError(
                f"{name}: expected all weights of {type(model).__name__}, found none for {listed(missing, 3)}; "
                "give a folder with the whole model"
            )
        self._model = model.float().eval()
        self._special = set(self._tokenizer.all_special_ids)
        self.dimension: int = self._model.config.hidden_size

    def split(self, words: Iterable[str]) -> dict[str, list[int]]:
        """Return words with the ids of their pieces, the special ones before and after included.

        Of a longer word the first 64 pieces are taken. A word of which the tokenizer knows no piece is left out.
        """
        words = list(words)
        pieces = self._tokenizer.tokenize
        # Tokenizers of bytes (GPT-2, RoBERTa) write the space before a word into its first piece, and almost every
        # word that they were trained on has one.
        inside, alone = pieces(" a"), pieces("a")
        space = " " if inside != alone and len(inside) == len(alone) else ""
        ids = self._tokenizer(
            [space + word for word in words],
            truncation=True,
            max_length=min(_LONGEST, self._tokenizer.model_max_length),
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
        found = zip(words, ids, strict=True)
        return {word: pieces for word, pieces in found if not self._special.issuperset(pieces)}

    def encode(self, words: Sequence[list[int]], progress: Callable[[float], None]) -> np.ndarray:
        """Return the vectors of words: of each the mean of the last hidden states of its pieces.

        Each word is a text of its own. The special pieces, that of unknown characters among them, are read by the
        encoder but left out of the mean. Words of equally many pieces are encoded together, so that none is padded.

        Args:
            words: V words as `split` returns them.
            progress: Called with the share of the work done, from 0 to 1.

        Returns:
            float32 (V, H).

        Raises:
            VectorsError: The model is no encoder of texts.
        """
        import torch

        lengths = np.array([len(pieces) for pieces in words])
        vectors = np.empty((len(words), self.dimension), np.float32)
        special = torch.tensor(sorted(self._special), dtype=torch.long)
        done = 0
        progress(0.0)
        with torch.inference_mode():
            for rows in _batches(lengths):
                ids = torch.tensor([words[row] for row in rows])  # (B, L)
                with self._explained("an encoder that reads texts by themselves"):
                    states = self._model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
                kept = ~torch.isin(ids, special)[:, :, None]  # (B, L, 1); states are (B, L, H)
                vectors[rows] = ((states * kept).sum(1) / kept.sum(1)).numpy()
                done += ids.numel()
                progress(done / int(lengths.sum()))
        return vectors

    @contextmanager
    def _explained(self, expected: str) -> Iterator[None]:
        """Turn whatever the library raises, which depends on the model, into one line."""
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:
            raise VectorsError(f"{self.name}: expected {expected}, found: {one_line(error)}; give another") from error


def _batches(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of words in batches of one length each, the longest first."""
    for length in np.unique(lengths)[::-1]:
        rows = np.flatnonzero(lengths == length)
        size = max(1, _BATCH // int(length))
        yield from (rows[start : start + size] for start in range(0, len(rows), size))
