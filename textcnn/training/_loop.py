"""The training loop: steps, validation after each epoch, early stopping, checkpoints."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Mapping

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
    """Return the device of that name; `auto` is CUDA where present.

    Raises:
        ConfigError: an unknown name, or a device that this machine lacks.
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
    """Return whether a device has instructions for matrix products in bfloat16."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Torch's checks of the CPU, which not every version has.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check)() for check in checks if hasattr(torch.cpu, check))


@torch.no_grad()
def predict_probabilities(model: TextNetwork, texts: Encoded, *, classes: int) -> np.ndarray:
    """Return the class probabilities of encoded texts, (N, K) float32, with the network in evaluation mode."""
    device = next(model.parameters()).device
    model.eval()
    out = np.zeros((len(texts.lengths), classes), dtype=np.float32)
    for rows, batch in ordered_batches(texts, batch_size=SCORING_BATCH):
        batch = batch.to(device)
        logits = model.logits(batch.distinct, batch.inverse, batch.lengths)  # (B, K)
        out[rows] = logits.softmax(dim=1).cpu().numpy()
    return out


class Trainer:
    """Trains one network on encoded texts.

    Args:
        model: the network; the weights of its softmax layer are held to a maximum norm.
        config: the training settings.
        classes: K.
        progress: receives the progress of training.
        checkpoint: saves the run after each epoch, and may hold a run to resume; None saves nothing.

    Raises:
        ConfigError: settings that the network or this machine cannot follow.
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
        # Kim (2014), section 2.1, multiplies the weights by p = 1 - dropout at test time, where torch divides the
        # features by p in training: the paper's bound s on its weights is s p on these.
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
        self.generator = np.random.default_rng(config.seed)  # of the order of the texts
        self.generators = self._generators(config.seed)

    def _generators(self, seed: int) -> dict[str, torch.Generator]:
        """Return torch's generators of this run by kind of device, and let dropout draw from that of its device."""
        generators = {"cpu": self.model.dropout.generator or torch.Generator().manual_seed(seed)}
        if self.device.type != "cpu":
            generators[self.device.type] = torch.Generator(self.device).manual_seed(seed)
        self.model.dropout.generator = generators[self.device.type]
        return generators

    def _use_bf16(self) -> None:
        """Let the network project words in bfloat16; ConfigError if it has no such layer."""
        layers = [layer for layer in self.model.modules() if isinstance(layer, LookupConvolution)]
        if not layers:
            raise ConfigError("precision: expected fp32 for a network without a matrix product over words, found bf16")
        for layer in layers:
            layer.bf16 = True
        if not multiplies_bf16(self.device):
            logger.warning("precision: this device has no matrix products in bf16; fp32 would be faster")

    def run(self, training: Examples, validation: Examples) -> History:
        """Train until the last epoch, early stopping or Ctrl-C, and leave the best epoch's weights in the model.

        Args:
            training: the texts to learn from.
            validation: the texts that choose the best epoch.

        Returns:
            The figures of all epochs, those of a resumed run too.

        Raises:
            TrainingError: the loss is not finite.
            ModelError: the checkpoint cannot be read or written.
            KeyboardInterrupt: Ctrl-C before the first epoch's end, when there is nothing to keep.
        """
        best = EarlyStopping(self.config.monitor, self.config.patience)
        epochs = self._resume(best, len(training.labels))
        interrupted = False
        self.progress.begin(texts=len(training.labels), epochs=self.config.max_epochs)
        try:
            while len(epochs) < self.config.max_epochs and not best.should_stop(len(epochs)):
                epoch = self._run_epoch(len(epochs) + 1, training, validation, best)
                epochs.append(epoch)
                self._save_checkpoint(best, epochs)
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

    def _save_checkpoint(self, best: EarlyStopping, epochs: list[Epoch]) -> None:
        """Save the state of the run after an epoch."""
        if self.checkpoint is None:
            return
        state = {
            "best": {"score": best.score, "epoch": best.epoch},
            "epochs": [dataclasses.asdict(epoch) for epoch in epochs],
            "generator": self.generator.bit_generator.state,
        }
        self.checkpoint.save(self._tensors(best.state), state)

    def _tensors(self, best: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return everything that a checkpoint keeps as tensors."""
        tensors: dict[str, torch.Tensor] = {}
        tensors |= {f"model.{name}": weight for name, weight in self.model.named_parameters()}
        tensors |= {f"best.{name}": weight for name, weight in best.items()}
        tensors |= {f"optimizer.{name}": value for name, value in self.optimizer.tensors().items()}
        tensors |= {f"randomness.{kind}": generator.get_state() for kind, generator in self.generators.items()}
        return tensors

    def _resume(self, best: EarlyStopping, texts: int) -> list[Epoch]:
        """Restore the state of the checkpoint, if there is one, and return its epochs."""
        if self.checkpoint is None:
            return []
        expected = self._tensors(dict(self.model.named_parameters()))
        kept = self.checkpoint.load(expected, texts=texts)
        if kept is None:
            return []
        if kept.environment != self.checkpoint.environment:
            logger.warning(
                "the checkpoint is from another environment (%s, now %s): the result may differ in its last bits",
                kept.environment,
                dict(self.checkpoint.environment),
            )
        tensors = kept.tensors
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(tensors[f"model.{name}"])
        best.state = {name: tensor.to(self.device) for name, tensor in _with_prefix(tensors, "best.").items()}
        best.score, best.epoch = kept.best_score, kept.best_epoch
        self.optimizer.load(_with_prefix(tensors, "optimizer."))
        try:
            for kind, generator in self.generators.items():
                if f"randomness.{kind}" in tensors:  # that of a GPU is missing if the run was on a CPU
                    generator.set_state(tensors[f"randomness.{kind}"])
            self.generator.bit_generator.state = kept.generator
        except (RuntimeError, ValueError, TypeError, KeyError, OverflowError):
            raise self.checkpoint.wrong("states of the random generators") from None
        return kept.epochs

    def _run_epoch(self, number: int, training: Examples, validation: Examples, best: EarlyStopping) -> Epoch:
        """Train on all texts once, score the validation texts, and keep the weights if they are the best so far."""
        begin = time.perf_counter()
        loss = self._train_epoch(number, training)
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
            best=best.update(number, scores, self.model),
            monitor=self.config.monitor,
        )

    def _train_epoch(self, number: int, training: Examples) -> float:
        """Train on all texts once and return their mean loss."""
        weights = self._weights(training)  # (N,)
        self.model.train()
        total, done = 0.0, 0
        targets = torch.tensor(training.labels, dtype=torch.int64, device=self.device)  # (N,)
        batches = training_batches(training.texts, batch_size=self.config.batch_size, generator=self.generator)
        for step, (batch_rows, batch) in enumerate(batches, 1):
            batch = batch.to(self.device)
            rows = torch.from_numpy(batch_rows).to(self.device)  # (B,)
            loss = self.step(batch, targets[rows], None if weights is None else weights[rows])
            if not math.isfinite(loss):
                raise self._not_finite("a finite loss", loss, f"at epoch {number}, step {step}")
            total += loss * len(batch.lengths)
            done += len(batch.lengths)
            self.progress.batch(epoch=number, texts=done, loss=total / done)
        self.optimizer.settle_all()
        return total / done

    def step(self, batch: Batch, targets: torch.Tensor, weights: torch.Tensor | None = None) -> float:
        """Take a training step, unless the loss is not finite.

        Args:
            batch: B texts, on the network's device.
            targets: their class ids, (B,).
            weights: of the texts in the loss, (B,); None if all are equal.

        Returns:
            The mean loss before the step.
        """
        matches = self.model.find_ngrams(batch.distinct, batch.inverse, batch.lengths)
        self.optimizer.settle(batch.distinct, None if matches is None else matches.rows)
        logits = self.model.logits(batch.distinct, batch.inverse, batch.lengths, matches)  # (B, K)
        losses = F.cross_entropy(logits, targets, reduction="none")  # (B,)
        # Not the weights of `cross_entropy`: it divides by their sum, so that they cancel in a batch of one class.
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
        """Return the error of a loss or probability that is not finite."""
        return TrainingError(
            f"expected {expected}, found {found} {where}; "
            f"use a smaller learning rate (now {self.config.rate:g}) or check the word vectors"
        )

    def _weights(self, training: Examples) -> torch.Tensor | None:
        """Return the weights of the texts in the loss, each its class's times its own, (N,); None if all are 1."""
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


def _with_prefix(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
