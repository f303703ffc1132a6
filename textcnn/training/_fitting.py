"""The training of a run: epochs, validation after each, early stopping, checkpoints.

One network is trained where some texts are held out for validation. Where the training texts are few, they are divided
into folds: a network for each fold trains on the other folds and scores this one, epoch by epoch beside the network of
all texts, which is the one that is kept. So every text chooses the epoch, and none is lost to training.

Beside each network stands the linear model of its bag (`textcnn.training._linear`). The run keeps the mean of their
logits, or the network where it alone predicts the validation texts clearly better, as it may with word vectors. Where a
text has several labels, each label has the share of the linear model that predicts it best: rare ones are often left to
that. The mean is a network too, with other weights in its softmax layer and its bag.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from textcnn.metrics import log_of
from textcnn.nn.base import TextNetwork
from textcnn.settings.training import TrainingConfig
from textcnn.targets import target_of
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import UNKNOWN
from textcnn.training._batching import Examples
from textcnn.training._checkpoint import Checkpoint
from textcnn.training._early_stopping import EarlyStopping
from textcnn.training._environment import resume_threads
from textcnn.training._linear import LinearModel, Memory, solvable, solve_once
from textcnn.training._loop import Trainer, loss_weights, predict_logits, with_prefix
from textcnn.training._side_by_side import side_by_side
from textcnn.training.devices import multiplies_bf16
from textcnn.training.group import ONE_PROCESS, TrainingGroup
from textcnn.training.progress import Epoch, FoldProgress, History, Progress

logger = logging.getLogger(__name__)

MEAN, ALONE, LINEAR = 0.5, 0.0, 1.0  # shares of the linear model in the logits
SAVING = 0.05  # of the time goes into checkpoints at most, but for the first


@dataclass(frozen=True)
class Member:
    """A network of a run.

    Attributes:
        network: on the CPU.
        training: the texts it learns from.
        scored: validation texts it scores; none for a network of all texts.
        rows: which of the run's validation texts these are.
    """

    network: TextNetwork
    training: Examples
    scored: Encoded
    rows: np.ndarray


def members_of(
    examples: Sequence[Examples],
    folds: Sequence[np.ndarray],
    make: Callable[[Examples], TextNetwork],
    *,
    hide_words: bool,
    hidden: int | None = None,
) -> tuple[Member, ...]:
    """Return the networks of a run: one, or one for each fold and one of all texts.

    Args:
        examples: the training texts, and the validation texts where there are no folds.
        folds: the rows of each.
        make: returns a network for the texts that it is to learn from.
        hide_words: whether the words that a network has not seen are unknown to it, as they will be in other texts.
        hidden: what is added to the id of such a word, which leaves it its character n-grams (`textcnn.nn._subwords`);
            None where words have none.
    """
    whole = examples[0]
    if not folds:
        scored = examples[1].texts
        return (Member(make(whole), whole, scored, np.arange(len(scored.lengths))),)
    members = []
    for rows in folds:
        part = whole.take(np.setdiff1d(np.arange(len(whole.labels)), rows))
        scored = whole.texts.take(rows)
        if hide_words:
            unknown = UNKNOWN if hidden is None else scored.ids + np.int32(hidden)
            scored = Encoded(np.where(np.isin(scored.ids, part.texts.ids), scored.ids, unknown), scored.offsets)
        members.append(Member(make(part), part, scored, rows))
    none = np.zeros(0, np.int64)
    return (*members, Member(make(whole), whole, whole.texts.take(none), none))


class Fitting:
    """Trains the networks of a run side by side.

    Args:
        members: the networks; the last is kept. Together they score each validation text once.
        labels: of the validation texts, as their target has them.
        config: the training settings, with what the texts decide (`textcnn.training.validation.adapted`).
        classes: K.
        progress: receives how training goes.
        checkpoint: keeps the run after its epochs, and may hold one to resume; None keeps nothing.
        memory: the linear models of other runs on the same texts.
        group: the processes that train together.

    Raises:
        ConfigError: settings that the networks or this machine cannot follow.
    """

    def __init__(
        self,
        members: Sequence[Member],
        labels: np.ndarray,
        config: TrainingConfig,
        *,
        classes: int,
        progress: Progress,
        checkpoint: Checkpoint | None = None,
        memory: Memory | None = None,
        group: TrainingGroup = ONE_PROCESS,
    ) -> None:
        self.group = group
        self.members, self.labels, self.config, self.classes = members, labels, config, classes
        self.target = target_of(labels)
        self.progress = progress
        self.checkpoint = checkpoint
        self.memory = {} if memory is None else memory
        self.trainers = [
            Trainer(
                member.network,
                config,
                classes=classes,
                progress=progress if member is members[-1] else FoldProgress(progress),
                target=self.target,
                group=group,
            )
            for member in members
        ]
        if config.precision == "bf16" and not multiplies_bf16(self.trainers[-1].device):
            logger.warning("precision: this device has no matrix products in bf16; fp32 would be faster")
        self.best = EarlyStopping(config.monitor or "loss", config.patience)
        self._next_save = 0.0  # by `time.perf_counter`

    @property
    def network(self) -> TextNetwork:
        """The network that is kept."""
        return self.members[-1].network

    def run(self) -> History:
        """Train until the last epoch, early stopping or Ctrl-C, and leave the best weights in the network.

        Returns:
            The figures of all epochs, those of a resumed run too.

        Raises:
            TrainingError: the loss is not finite.
            ModelError: the checkpoint cannot be read or written.
            KeyboardInterrupt: Ctrl-C before the first epoch's end, when there is nothing to keep, or before a resumed
                run trains; its checkpoint stays.
        """
        epochs = self._resume()
        interrupted = False
        linear = self._solve()
        logits = self._logits_of(linear)
        most = self.config.max_epochs or 0
        self.progress.begin(texts=len(self.members[-1].training.labels), epochs=most)
        try:
            with self.group.interruptible():
                while len(epochs) < most and not self.best.should_stop(len(epochs)):
                    epoch = self._run_epoch(len(epochs) + 1, logits)
                    epochs.append(epoch)
                    self._save(epochs)
                    self.progress.epoch(epoch)
        except KeyboardInterrupt:
            if not self.best.epoch:
                raise
            interrupted = True
            logger.warning("interrupted: the weights of epoch %d, the best so far, are kept", self.best.epoch)
        self.best.restore(self.network)
        if linear:
            mix(self.network, linear[-1], self.best.share)
        history = History(tuple(epochs), self.best.epoch, interrupted, float(self.best.share.mean()))
        self.progress.end(history)
        return history

    def _solve(self) -> list[LinearModel]:
        """Return each network's linear model; none without a bag, or for one that is too large."""
        parts = [(member.network.ngrams, member.training) for member in self.members]
        solved = [(bag, part) for bag, part in parts if bag is not None and solvable(bag, part.texts)]
        if len(solved) < len(parts):
            return []
        found = []
        for number, (bag, part) in enumerate(solved):
            self.progress.stage("fitting the linear model", number / len(parts))
            weights = loss_weights(part, self.config, self.classes)
            found.append(solve_once(bag, part, weights=weights, memory=self.memory))
        self.progress.stage("fitting the linear model", 1)
        return found

    def _logits_of(self, linear: Sequence[LinearModel]) -> np.ndarray | None:
        """Return the linear models' logits of the validation texts, (N, K); None if there are none."""
        if not linear:
            return None
        logits = np.zeros((len(self.labels), self.classes), np.float32)
        for member, model in zip(self.members, linear, strict=True):
            logits[member.rows] = model.logits(member.scored)
        return logits

    def _run_epoch(self, number: int, linear: np.ndarray | None) -> Epoch:
        """Train on all texts once, score the validation texts, and keep the weights if they are the best so far.

        Args:
            number: of the epoch, from 1.
            linear: the linear models' logits of the validation texts, (N, K), or None.
        """
        begin = time.perf_counter()
        epochs = [
            functools.partial(trainer.train_epoch, number, member.training)
            for trainer, member in zip(self.trainers, self.members, strict=True)
        ]
        # Several processes add up the gradients of one network after the other.
        losses = side_by_side(epochs) if self.group.size == 1 else [epoch() for epoch in epochs]
        seconds = time.perf_counter() - begin
        logits = np.zeros((len(self.labels), self.classes), np.float32)
        for member in self.members:
            logits[member.rows] = predict_logits(member.network, member.scored, classes=self.classes, group=self.group)
        if not np.isfinite(logits).all():
            raise self.trainers[-1].not_finite("finite logits", math.nan, f"after epoch {number}")
        share, probabilities = self._choose(logits, linear)
        scores = self.target.monitored(self.labels, probabilities)
        share, probabilities, scores = self.group.first((share, probabilities, scores))
        best = self.best.update(number, scores, self.network, share=share, probabilities=probabilities)
        return Epoch(
            number=number,
            training_loss=losses[-1],
            validation_loss=scores["loss"],
            accuracy=scores["accuracy"],
            macro_f1=scores["macro_f1"],
            micro_f1=scores.get("micro_f1"),
            seconds=seconds,
            texts_per_second=sum(len(member.training.labels) for member in self.members) / seconds,
            best=best,
            monitor=self.best.monitor,
        )

    def _choose(self, logits: np.ndarray, linear: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return the linear model's share, (1,) or (K,), and the validation texts' probabilities with it, (N, K).

        The mean of both, unless the network alone has a smaller loss by more than a standard error of the difference;
        for each of several labels what has the smallest loss, be it the mean, the linear model or the network.
        """
        if linear is None:
            return self._no_share(), self.target.probabilities(logits, 1.0, out=logits)
        several = self.labels.ndim == 2
        shares = (MEAN, LINEAR, ALONE) if several else (MEAN, ALONE)
        found = [self.target.probabilities((1 - share) * logits + share * linear, 1.0) for share in shares]
        if several:
            likely = [log_of(np.where(self.labels, each, 1 - each)).sum(axis=0) for each in found]
            best = np.argmax(likely, axis=0)  # (K,), of equal ones the mean
            return np.array(shares, np.float32)[best], np.choose(best, found)
        of_mean, of_alone = (self.target.log_likelihoods(self.labels, each) for each in found)
        gain = of_alone - of_mean  # (N,)
        best = int(gain.mean() > gain.std() / math.sqrt(len(gain)))
        return np.array([shares[best]], np.float32), found[best]

    def _no_share(self) -> np.ndarray:
        """Return a share of 0 of the linear model, for each label where a text has several."""
        return np.zeros(self.classes if self.labels.ndim == 2 else 1, np.float32)

    def _save(self, epochs: list[Epoch]) -> None:
        """Save the state of the run after the first epoch, then as often as takes `SAVING` of the time at most."""
        begin = time.perf_counter()
        if self.checkpoint is None or begin < self._next_save:
            return
        best = {name: getattr(self.best, name) for name in ("score", "loss", "epoch")}
        state = {
            "best": best,
            "epochs": [dataclasses.asdict(epoch) for epoch in epochs],
            "generators": [trainer.generator.bit_generator.state for trainer in self.trainers],
        }
        self.checkpoint.save(self._tensors(self.best.state, self.best.probabilities, self.best.share), state)
        end = time.perf_counter()
        self._next_save = end + (end - begin) / SAVING

    def _tensors(
        self, best: Mapping[str, torch.Tensor], probabilities: np.ndarray, share: np.ndarray
    ) -> dict[str, torch.Tensor]:
        """Return everything that a checkpoint keeps as tensors."""
        tensors = {f"best.{name}": weight for name, weight in best.items()}
        tensors |= {"probabilities": torch.from_numpy(probabilities), "share": torch.from_numpy(share)}
        for number, trainer in enumerate(self.trainers):
            tensors |= {f"{number}.{name}": value for name, value in trainer.tensors().items()}
        return tensors

    def _resume(self) -> list[Epoch]:
        """Restore the state of the checkpoint, if there is one, and return its epochs."""
        if self.checkpoint is None:
            return []
        probabilities = np.zeros((len(self.labels), self.classes), np.float32)
        expected = self._tensors(dict(self.network.named_parameters()), probabilities, self._no_share())
        kept = self.checkpoint.load(expected, texts=len(self.members[-1].training.labels), networks=len(self.members))
        if kept is None:
            return []
        resume_threads(self.checkpoint.environment, kept.environment)
        if kept.environment != self.checkpoint.environment:
            logger.warning(
                "the checkpoint is from another environment (%s, now %s): the result may differ in its last bits",
                kept.environment,
                dict(self.checkpoint.environment),
            )
        self.best.state = {
            name: tensor.to(self.trainers[-1].device) for name, tensor in with_prefix(kept.tensors, "best.").items()
        }
        self.best.probabilities = kept.tensors["probabilities"].numpy()
        self.best.share = kept.tensors["share"].numpy()
        for name, value in kept.best.items():
            setattr(self.best, name, value)
        try:
            for number, (trainer, state) in enumerate(zip(self.trainers, kept.generators, strict=True)):
                trainer.load(with_prefix(kept.tensors, f"{number}."))
                trainer.generator.bit_generator.state = state
        except (RuntimeError, ValueError, TypeError, KeyError, OverflowError):
            raise self.checkpoint.wrong("states of the random generators") from None
        return kept.epochs


@torch.no_grad()
def mix(network: TextNetwork, linear: LinearModel, share: np.ndarray) -> None:
    """Give a network the logits (1 - share) times its own plus `share`, (1,) or (K,), times the linear model's."""
    own = torch.from_numpy(share).to(network.softmax.weight.device)
    network.softmax.weight.mul_(1 - own[:, None])
    layers = [(network.softmax.bias, linear.bias)]
    if network.ngrams is not None:
        layers.append((network.ngrams.weight, linear.weights))
    for weight, solved in layers:
        weight.mul_(1 - own).add_(torch.from_numpy(solved).to(weight.device) * own)
