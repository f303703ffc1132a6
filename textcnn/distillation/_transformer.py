"""A transformer that classifies sequences as a teacher."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from textcnn.distillation._teacher import Teacher, order_of
from textcnn.errors import ModelError, listed, one_line
from textcnn.targets import ONE_CLASS, Target
from textcnn.training.devices import choose_device, multiplies_bf16
from textcnn.vectors.transformer_files import LOCAL, check_transformer, quiet, transformer_folder

_LONGEST = 512  # pieces of a text: most encoders know no more positions
_POSITIONS = 1 << 13  # of a padded batch


class Transformer(Teacher):
    """A sequence classifier of `transformers`, from a folder or the Hugging Face hub, weights as safetensors only.

    Long texts are cut. It computes in bfloat16 where the device multiplies such numbers, which moves a probability by
    about a hundredth.

    Args:
        name: of the folder, or on the hub.
        classes: of the student, (K,).
        target: what the texts' labels are: softmax, or a sigmoid for each label.
        device: where it computes.

    Raises:
        ConfigError: `transformers` is missing, or its classes are others.
        ModelError: it cannot be fetched or read, or was not trained to classify.
    """

    def __init__(self, name: str, classes: Sequence[str], target: Target, *, device: str = "auto") -> None:
        import torch

        check_transformer(name, ModelError)
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        self.name, self.target = name, target
        folder = transformer_folder(name, ModelError)
        try:
            with quiet():
                config = AutoConfig.from_pretrained(folder, **LOCAL)
                own = [str(config.id2label[i]) for i in range(len(config.id2label))]
                self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, **LOCAL)
                loaded: Any = AutoModelForSequenceClassification.from_pretrained(
                    folder, use_safetensors=True, output_loading_info=True, **LOCAL
                )
        except MemoryError:
            raise
        except Exception as error:
            raise ModelError(
                f"{name}: expected a transformer that classifies sequences, with its tokenizer and weights in "
                f"safetensors, found: {one_line(error)}; give another"
            ) from error
        self._model, info = loaded
        if info["missing_keys"]:  # they start at random
            raise ModelError(
                f"{name}: expected a transformer that was trained to classify, found no weights of "
                f"{listed(sorted(info['missing_keys']), 3)}; train it first"
            )
        self._order = order_of(own, classes, name)
        self._device = choose_device(device)
        self._model.to(self._device).eval()
        self._bf16 = multiplies_bf16(self._device)
        self._longest = min(self._tokenizer.model_max_length, _LONGEST)
        content = hashlib.sha256(f"{own} {self._longest} {sorted(self._tokenizer.get_vocab().items())}".encode())
        for weight in self._model.state_dict().values():
            content.update(weight.cpu().contiguous().view(torch.uint8).numpy().tobytes())
        self.digest = content.hexdigest()

    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Return the probabilities, (N, K) float32, computed in batches of texts of similar length."""
        import torch

        if not texts:  # which the tokenizer does not take
            return np.zeros((0, len(self._order)), np.float32)
        encoded = self._tokenizer(texts, truncation=True, max_length=self._longest)["input_ids"]
        lengths = np.array([len(ids) for ids in encoded])
        out = np.zeros((len(texts), len(self._order)), np.float32)
        for rows in _batches(lengths):
            batch = self._tokenizer.pad({"input_ids": [encoded[i] for i in rows]}, return_tensors="pt")
            with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
                logits = self._model(**batch.to(self._device)).logits  # (B, K)
            logits = logits.float()
            found = logits.softmax(dim=1) if self.target is ONE_CLASS else logits.sigmoid()
            out[rows] = found.cpu().numpy()[:, self._order]
        return out


def _batches(lengths: np.ndarray) -> list[np.ndarray]:
    """Return the rows of batches of texts of similar length, each of about `_POSITIONS` positions."""
    order = np.argsort(lengths, kind="stable")
    found, begin = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end - begin + 1) * lengths[order[end]] > _POSITIONS:
            found.append(order[begin:end])
            begin = end
    return found
