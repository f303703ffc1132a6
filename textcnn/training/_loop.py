"""The training loop: steps, validation after each epoch, early stopping, checkpoints."""

from __future__ import annotations

import dataclasses
import logging
import math
import time

import numpy as np
import torch
from torch.nn import functional as F

from textcnn.errors import ConfigError, TrainingError
from textcnn.metrics import log_loss, macro_f1
from textcnn.nn.base import TextNetwork
from textcnn.nn.lookup import LookupConvolution
from textcnn.settings.config import TrainingConfig
from textcnn.text.tokens import Encoded
from textcnn.training._batching import Batch, Examples, ordered_batches, training_batches
from textcnn.training._checkpoint import Checkpoint
from textcnn.training._early_stopping import EarlyStopping
from textcnn.training._optimizer import Optimizer, constrain_norm, freeze
from textcnn.training.progress import Epoch, History, Progress

logger = logging.getLogger(__name__)

SCORING_BATCH = 256


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA where present.

    Raises:
        ConfigError: the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, found {name!r}") from None
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(f"device: expected a device of this machine, found {name!r}; use cpu or auto")
    return device


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for matrix products of bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # What torch tells of the CPU, where it tells it.
    kinds = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, kind)() for kind in kinds if hasattr(torch.cpu, kind))


@torch.no_grad()
def predict_probabilities(model: TextNetwork, texts: Encoded, *, classes: int) -> np.ndarray:
    """Probabilities of each class for encoded texts, (N, K) float32, in evaluation mode."""
    device = next(model.parameters()).device
    model.eval()
    out = np.zeros((len(texts.lengths), classes), dtype=np.float32)
    for rows, batch in ordered_batches(texts, batch_size=SCORING_BATCH):
        batch = batch.to(device)
        out[rows] = model.logits(batch.words, batch.places, batch.lengths).softmax(dim=1).cpu().numpy()
    return out


class Trainer:
    """Trains one network on encoded texts.

    Args:
        model: maps flat ids (N,) and lengths (B,) to logits (B, K); its layer `softmax` is held to
            the max-norm.
        config: how to train.
        classes: K.
        progress: is told how it goes.
        checkpoint: keeps the run after each epoch, and may have one to go on from; None keeps nothing.
    """

    def __init__(
        self,
        model: TextNetwork,
        config: TrainingConfig,
        *,
        classes: int,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.config = config
        self.classes = classes
        # The paper scales the weights by the share kept at test time, torch the features by its inverse
        # in training: the paper's bound s on the former is s (1 - dropout) on the latter.
        bound = model.config.default_max_norm if config.max_norm is None else config.max_norm
        self.max_norm = bound * (1 - model.dropout.p)
        self.progress = progress
        self.checkpoint = checkpoint
        self.device = choose_device(config.device)
        self.model = model.to(self.device)
        if config.precision == "bf16":
            self._use_bf16()
        freeze(self.model, config.freeze)
        self.optimizer = Optimizer(self.model, config)
        self.generator = np.random.default_rng(config.seed)

    def _use_bf16(self) -> None:
        """Project the words in bfloat16."""
        layers = [layer for layer in self.model.modules() if isinstance(layer, LookupConvolution)]
        if not layers:
            raise ConfigError("precision: expected fp32 for a network that projects words by no matrix product")
        for layer in layers:
            layer.bf16 = True
        if not multiplies_bf16(self.device):
            logger.warning("bf16: this device has no matrix products of such numbers, fp32 would be faster")

    def run(self, training: Examples, validation: Examples) -> History:
        """Train until the epochs or the patience are used up, or until Ctrl-C; the best weights stay in the model.

        Args:
            training: texts and class ids.
            validation: texts and class ids that choose the epoch.

        Raises:
            TrainingError: the loss is not finite.
            ModelError: the checkpoint cannot be read or written.
            KeyboardInterrupt: Ctrl-C before the first epoch's end, when there is nothing to keep.
        """
        best = EarlyStopping(self.config.monitor, self.config.patience)
        epochs = self._resume(best)
        interrupted = False
        self.progress.begin(texts=len(training.labels), epochs=self.config.max_epochs)
        try:
            while len(epochs) < self.config.max_epochs and not best.is_over(len(epochs)):
                epoch = self._epoch(len(epochs) + 1, training, validation, best)
                epochs.append(epoch)
                self._keep(best, epochs)
                self.progress.epoch(epoch)
        except KeyboardInterrupt:
            if not best.epoch:
                raise
            interrupted = True
            logger.warning("interrupted: the weights of epoch %d, the best so far, are kept", best.epoch)
        best.restore(self.model)
        history = History(tuple(epochs), best.epoch, interrupted)
        self.progress.end(history)
        return history

    def _keep(self, best: EarlyStopping, epochs: list[Epoch]) -> None:
        """Write a checkpoint of the run as it stands after an epoch."""
        if self.checkpoint is None:
            return
        tensors: dict[str, torch.Tensor] = {}
        tensors |= {f"model.{name}": weight for name, weight in self.model.named_parameters()}
        tensors |= {f"best.{name}": weight for name, weight in best.state.items()}
        tensors |= {f"optimizer.{name}": value for name, value in self.optimizer.tensors().items()}
        tensors["randomness.cpu"] = torch.get_rng_state()
        if self.device.type == "cuda":
            tensors["randomness.cuda"] = torch.cuda.get_rng_state(self.device)
        state = {
            "best": {"score": best.score, "epoch": best.epoch},
            "epochs": [dataclasses.asdict(epoch) for epoch in epochs],
            "generator": self.generator.bit_generator.state,
        }
        self.checkpoint.save(tensors, state)

    def _resume(self, best: EarlyStopping) -> list[Epoch]:
        """Go on from the checkpoint, if there is one: the epochs that it holds."""
        kept = None if self.checkpoint is None else self.checkpoint.load()
        if self.checkpoint is None or kept is None:
            return []
        tensors, state, environment = kept
        if environment != self.checkpoint.environment:
            logger.warning(
                "the checkpoint is from another environment (%s, now %s): the result may differ in its last bits",
                environment,
                dict(self.checkpoint.environment),
            )
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(tensors[f"model.{name}"])
        best.state = {
            name.removeprefix("best."): tensor.to(self.device)
            for name, tensor in tensors.items()
            if name.startswith("best.")
        }
        best.score, best.epoch = state["best"]["score"], state["best"]["epoch"]
        self.optimizer.load(
            {name.removeprefix("optimizer."): x for name, x in tensors.items() if name.startswith("optimizer.")}
        )
        torch.set_rng_state(tensors["randomness.cpu"])
        if self.device.type == "cuda" and "randomness.cuda" in tensors:  # kept on a CPU otherwise
            torch.cuda.set_rng_state(tensors["randomness.cuda"], self.device)
        self.generator.bit_generator.state = state["generator"]
        return [Epoch(**epoch) for epoch in state["epochs"]]

    def _epoch(self, number: int, training: Examples, validation: Examples, best: EarlyStopping) -> Epoch:
        begin = time.perf_counter()
        loss = self._pass(number, training)
        seconds = time.perf_counter() - begin
        probabilities = predict_probabilities(self.model, validation.texts, classes=self.classes)
        if not np.isfinite(probabilities).all():
            raise self._not_finite("finite probabilities", math.nan, f"after epoch {number}")
        predicted = probabilities.argmax(axis=1)
        scores = {
            "loss": log_loss(validation.labels, probabilities),
            "accuracy": float((predicted == validation.labels).mean()),
            "macro_f1": macro_f1(validation.labels, predicted),
        }
        return Epoch(
            number=number,
            training_loss=loss,
            validation_loss=scores["loss"],
            accuracy=scores["accuracy"],
            macro_f1=scores["macro_f1"],
            seconds=seconds,
            texts_per_second=len(training.labels) / seconds,
            best=best.offer(number, scores, self.model),
            monitor=self.config.monitor,
        )

    def _pass(self, number: int, training: Examples) -> float:
        """Make one pass over the training texts and return their mean loss."""
        weights = self._weights(training)  # (N,)
        self.model.train()
        total, done = 0.0, 0
        targets = torch.tensor(training.labels, dtype=torch.int64, device=self.device)  # (N,)
        batches = training_batches(training.texts, batch_size=self.config.batch_size, generator=self.generator)
        for step, (numbers, batch) in enumerate(batches, 1):
            batch = batch.to(self.device)
            rows = torch.from_numpy(numbers).to(self.device)  # (B,)
            value = self.step(batch, targets[rows], None if weights is None else weights[rows])
            if not math.isfinite(value):
                raise self._not_finite("a finite loss", value, f"at epoch {number}, step {step}")
            total += value * len(batch.lengths)
            done += len(batch.lengths)
            self.progress.batch(epoch=number, texts=done, loss=total / done)
        self.optimizer.settle_all()
        return total / done

    def step(self, batch: Batch, targets: torch.Tensor, weights: torch.Tensor | None = None) -> float:
        """Take a step unless the loss is not finite.

        Args:
            batch: texts on the network's device.
            targets: their class ids, (B,).
            weights: of the texts in the loss, (B,); None for all alike.

        Returns:
            The mean loss before it.
        """
        found = self.model.find_ngrams(batch.words, batch.places, batch.lengths)
        self.optimizer.settle(batch.words, None if found is None else found.rows)
        logits = self.model.logits(batch.words, batch.places, batch.lengths, found)  # (B, K)
        losses = F.cross_entropy(logits, targets, reduction="none")  # (B,)
        # Not cross_entropy's own weights: they are divided by the batch's, and cancel where it has one class.
        loss = losses.mean() if weights is None else (losses * weights).mean()
        value = loss.item()
        if not math.isfinite(value):
            return value
        loss.backward()
        self.optimizer.step()
        if self.max_norm:
            constrain_norm(self.model.softmax.weight, self.max_norm)
        return value

    def _not_finite(self, expected: str, found: float, where: str) -> TrainingError:
        return TrainingError(
            f"expected {expected}, found {found} {where}; "
            f"use a smaller learning rate (now {self.config.rate:g}) or check the word vectors"
        )

    def _weights(self, training: Examples) -> torch.Tensor | None:
        """Return each text's weight in the loss, its class's times its own, (N,); None where all are 1."""
        labels, config = training.labels, self.config
        weights = None if training.weights is None else training.weights / training.weights.mean()
        if config.class_weight is not None:
            if config.class_weight == "balanced":
                counts = np.bincount(labels, minlength=self.classes)
                by_class = len(labels) / (self.classes * np.maximum(counts, 1))
            else:
                by_class = np.asarray(config.class_weight)
            weights = by_class[labels] if weights is None else weights * by_class[labels]
        return None if weights is None else torch.tensor(weights, dtype=torch.float32, device=self.device)
