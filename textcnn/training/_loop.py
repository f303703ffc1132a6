"""The training of one network: its steps, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from textcnn.errors import ConfigError, TrainingError
from textcnn.nn.base import TextNetwork
from textcnn.nn.lookup import LookupConvolution
from textcnn.settings.training import TrainingConfig
from textcnn.targets import ONE_CLASS, Target, target_of
from textcnn.text.tokens import Encoded
from textcnn.training._batching import Batch, Examples, ordered_batches, training_batches
from textcnn.training._optimizer import Optimizer, constrain_norm, freeze
from textcnn.training.devices import choose_device
from textcnn.training.group import ONE_PROCESS, TrainingGroup
from textcnn.training.progress import Progress

SCORING_BATCH, SCORES = 256, 1 << 19  # texts scored together at most, and their logits


@torch.no_grad()
def predict_logits(
    model: TextNetwork, texts: Encoded, *, classes: int, group: TrainingGroup = ONE_PROCESS
) -> np.ndarray:
    """Return the logits of N encoded texts, (N, K) float32, with the network in evaluation mode."""
    device = next(model.parameters()).device
    model.eval()
    out = np.zeros((len(texts.lengths), classes), dtype=np.float32)
    batch_size = max(1, min(SCORING_BATCH, SCORES // classes))
    for rows, batch in ordered_batches(texts, batch_size=batch_size, group=group):
        batch = batch.to(device)
        out[rows] = model.logits(batch.distinct, batch.inverse, batch.lengths).cpu().numpy()  # (B, K)
    return group.sum(out)


class Trainer:
    """Trains one network on encoded texts.

    Args:
        model: the network; the weights of its softmax layer are held to a maximum norm.
        config: the training settings.
        classes: K.
        progress: receives the progress within an epoch.
        target: what the texts' labels are.
        group: the processes that train it together.

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
        target: Target = ONE_CLASS,
        group: TrainingGroup = ONE_PROCESS,
    ) -> None:
        self.config = config
        self.group = group
        self.target = target
        self.classes = classes
        # Kim (2014), section 2.1, multiplies the weights by p = 1 - dropout at test time, where torch divides the
        # features by p in training: the paper's bound s on its weights is s p on these.
        bound = model.config.default_max_norm if config.max_norm is None else config.max_norm
        self.max_norm = bound * (1 - model.dropout.p)
        self.progress = progress
        self.device = group.choose(choose_device(config.device))
        self.model = model.to(self.device)
        group.copy_first(self.model.state_dict().values())
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

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return all that the trainer needs to go on: weights, the optimiser's state and torch's randomness."""
        tensors: dict[str, torch.Tensor] = {f"model.{name}": weight for name, weight in self.model.named_parameters()}
        tensors |= {f"optimizer.{name}": value for name, value in self.optimizer.tensors().items()}
        return tensors | {f"randomness.{kind}": generator.get_state() for kind, generator in self.generators.items()}

    def load(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Restore what `tensors` returned; the state of a device's generator may be missing.

        Raises:
            RuntimeError, TypeError: a state is none of a generator.
        """
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(tensors[f"model.{name}"])
        self.optimizer.load(with_prefix(tensors, "optimizer."))
        for kind, generator in self.generators.items():
            if f"randomness.{kind}" in tensors:
                generator.set_state(tensors[f"randomness.{kind}"])

    def train_epoch(self, number: int, training: Examples) -> float:
        """Train on all texts once.

        Args:
            number: of the epoch, from 1.
            training: N texts.

        Returns:
            Their mean loss, each text's before the step that trains on it, in nats.

        Raises:
            TrainingError: the loss is not finite.
        """
        weights = loss_weights(training, self.config, self.classes)
        self.model.train()
        total, done = 0.0, 0
        learned = training.labels if training.probabilities is None else training.probabilities
        labels = torch.tensor(learned, device=self.device)  # (N,) or (N, K)
        of_text = None if weights is None else torch.tensor(weights, dtype=torch.float32, device=self.device)
        batches = training_batches(
            training.texts, batch_size=self.config.batch, generator=self.generator, group=self.group
        )
        for step, (batch_rows, batch) in enumerate(batches, 1):
            batch = batch.to(self.device)
            rows = torch.from_numpy(batch_rows).to(self.device)  # (B,)
            self.optimizer.set_rate(self.config.rate_after(number - 1 + done / len(labels)))
            loss = self.step(batch, labels[rows], None if of_text is None else of_text[rows])
            if not math.isfinite(loss):
                raise self.not_finite("a finite loss", loss, f"at epoch {number}, step {step}")
            total += loss * batch.texts
            done += batch.texts
            self.progress.batch(epoch=number, texts=done, loss=total / done)
        self.optimizer.settle_all()
        return total / done

    def step(self, batch: Batch, labels: torch.Tensor, weights: torch.Tensor | None = None) -> float:
        """Take a training step, unless the loss is not finite.

        Args:
            batch: B texts, on the network's device; of a batch that several processes share this one's.
            labels: class ids, (B,), or which labels each text has, (B, K) bool; or the probabilities to give, (B, K).
            weights: of the texts in the loss, (B,), or of their labels, (B, 1) or (B, K); None if all are equal.

        Returns:
            The mean loss of the whole batch before the step.
        """
        matches = self.model.find(batch.distinct, batch.inverse, batch.lengths)
        touched = self.group.union(self.optimizer.touched(self.model.rows(batch.distinct, matches)))
        self.optimizer.settle(touched)
        if batch.share is not None:
            self.model.dropout.part = batch.share.part, batch.texts
        logits = self.model.logits(batch.distinct, batch.inverse, batch.lengths, matches)  # (B, K)
        loss = self.target.losses(logits, labels, weights).sum() / batch.texts
        if batch.share is not None:
            loss = loss * batch.share.counts
        loss.backward()
        value = self.group.sum_gradients(self.optimizer.parameters, touched, loss)
        if not math.isfinite(value):
            return value
        self.optimizer.step()
        if self.max_norm:
            constrain_norm(self.model.softmax.weight, self.max_norm)
        return value

    def not_finite(self, expected: str, found: float, where: str) -> TrainingError:
        """Return the error of a loss or probability that is not finite."""
        return TrainingError(
            f"expected {expected}, found {found} {where}; "
            f"use a smaller learning rate (now {self.config.rate:g}) or check the word vectors"
        )


def loss_weights(training: Examples, config: TrainingConfig, classes: int) -> np.ndarray | None:
    """Return the weights of the texts in the loss, (N,), or of their labels, (N, K); None if all are 1.

    Each is its class's times its text's own.
    """
    own = None if training.weights is None else training.weights / training.weights.mean()
    target = target_of(training.labels)
    weights: np.ndarray | None = target.loss_weights(training.labels, config.class_weight, classes)
    if own is None or weights is None:
        return weights if own is None else own.reshape(-1, *(1,) * (training.labels.ndim - 1))
    return weights * own.reshape(-1, *(1,) * (weights.ndim - 1))


def with_prefix(tensors: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
