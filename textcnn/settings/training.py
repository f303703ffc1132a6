"""The settings of training."""

from __future__ import annotations

from dataclasses import dataclass

from textcnn.errors import ConfigError
from textcnn.settings._fields import Checked, documented, option

LAYERS = ("embeddings", "convolution", "softmax")  # of every network: for the L2 penalty, freezing and transfer
FREEZABLE = LAYERS[:2]

# The optimisers' usual learning rates; Adadelta's 1.0 is the method of Zeiler (2012) as published.
LEARNING_RATES = {"adam": 1e-3, "adadelta": 1.0, "adagrad": 1e-2}

FEW = 2000  # training texts below which a tenth of them is too few to choose an epoch by
RARE, MANY = 100, 20_000  # the same for the texts of the rarer of two classes, unless there are many texts in all
FOLDS = 4
UNBALANCED = 9  # the largest class over the smallest
# Epochs with a falling learning rate: so many that the network sees `SEEN` texts, between bounds; and with a constant.
SEEN, LEAST_EPOCHS, MOST_EPOCHS, CONSTANT_EPOCHS = 34_000, 3, 16, 25
# Texts per step: `STEPS` steps an epoch, between bounds, as the learning rate grows with the square root.
STEPS, LEAST_BATCH, MOST_BATCH = 100, 50, 200


@documented
@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Checked):
    """How a network is trained.

    `max_norm` is s of Kim (2014), section 2.1: a bound on the L2 norm of each class's softmax weights. The paper scales
    the weights down by the share kept at test time, we scale the features up in training instead: our weights are held
    to s (1 - dropout).
    """

    optimizer: str = option("adam", "Optimiser.", choices=tuple(LEARNING_RATES))
    learning_rate: float | None = option(
        None, "Learning rate.", kind=float, above=0, optional=True, aliases=("lr",),
        unset="adam 0.001, up to 0.002 with larger batches of many texts; adadelta 1.0, adagrad 0.01",
    )  # fmt: skip
    batch_size: int | None = option(
        None, "Texts per step.", kind=int, least=1, optional=True, aliases=("bs", "batch"),
        unset=f"{LEAST_BATCH}; up to {MOST_BATCH} for many texts where learning rate and schedule are left open",
    )  # fmt: skip
    schedule: str | None = option(
        None,
        "Learning rate over the epochs: linear (falling to 0 at the end of the last) or constant.",
        kind=str,
        choices=("linear", "constant"),
        optional=True,
        unset=f"constant below {FEW:,} training texts, else linear",
        aliases=("lr-scheduler-type",),
    )
    max_epochs: int | None = option(
        None, "Passes over the training texts, at most.", kind=int, least=1, optional=True, flag="--epochs",
        aliases=("num-epochs",),
        unset=f"{LEAST_EPOCHS} to {MOST_EPOCHS}, more for fewer texts; {CONSTANT_EPOCHS} at a constant learning rate",
    )  # fmt: skip
    patience: int = option(
        3, "Stop after N epochs without a better validation score.", least=1, aliases=("early-stopping",)
    )
    monitor: str | None = option(
        None,
        "Validation score that chooses the epoch.",
        kind=str,
        choices=("accuracy", "macro_f1", "loss"),
        optional=True,
        unset=f"macro_f1 where the largest class has {UNBALANCED} times as many texts as the smallest, else loss below "
        f"{FEW:,} training texts, else accuracy",
    )
    max_norm: float | None = option(
        None, "Bound on the L2 norm of each class's softmax weights, 0 for none.",
        kind=float, least=0, optional=True, unset="3, dcnn 0",
    )  # fmt: skip
    l2: float | tuple[float, ...] = option(
        0.0, f"Weight of the L2 penalty: one number, or one for each layer ({', '.join(LAYERS)}).",
        values="either", least=0, aliases=("weight-decay",),
    )  # fmt: skip
    class_weight: str | tuple[float, ...] | None = option(
        None,
        "Weights of the classes in the loss: balanced (the inverse of their frequencies), or by name such as "
        "good=1,bad=2 or a JSON object.",
        kind=float,
        values="many",
        words=("balanced",),
        above=0,
        optional=True,
        unset="none",
    )
    validation_share: float = option(
        0.1, "Share of the training texts held out for validation where none are given.", above=0, below=1
    )
    validation_folds: int | None = option(
        None,
        "Instead of a held-out share, divide the training texts into N folds: a network for each fold scores the texts "
        "that it did not learn from, and the network of all texts is kept. 0 holds out a share.",
        kind=int, least=0, below=101, optional=True,
        unset=f"{FOLDS} below {FEW:,} training texts, or below {RARE} of one of two classes, else 0",
    )  # fmt: skip
    teacher_temperature: float = option(
        1.0,
        "Of soft labels, the temperature of their softmax: above 1 makes them softer, below 1 sharper.",
        above=0,
        aliases=("temperature", "distillation-temperature"),
    )
    gold_weight: float = option(
        0.5, "Where a text has a label and soft labels, the weight of the label.", least=0, most=1, aliases=("alpha",)
    )
    seed: int = option(
        0, "Governs the split, the initial weights, the batches and dropout.",
        least=0, below=2**32, keyword="random_state",
    )  # fmt: skip
    device: str = option(
        "auto", "Where to compute: auto (CUDA where present), cpu, cuda or cuda:N.", aliases=("gpu", "cuda")
    )
    precision: str = option(
        "fp32",
        "Precision of the first layer's matrix product in training (kim, stacked); bf16 pays where the processor "
        "multiplies such numbers.",
        choices=("fp32", "bf16"),
    )
    freeze: tuple[str, ...] = option((), f"Layers to leave as they are: {', '.join(FREEZABLE)}.", choices=FREEZABLE)
    vector_norm: float = option(5.0, "L2 norm that the word vectors of a file are scaled to, 0 for their own.", least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.l2, tuple) and len(self.l2) != len(LAYERS):
            raise ConfigError(
                f"l2: expected one number, or one for each of the {len(LAYERS)} layers ({', '.join(LAYERS)}), "
                f"found {len(self.l2)}"
            )
        if self.validation_folds == 1:
            raise ConfigError("validation_folds: expected 0, or 2 folds or more, found 1")
        if self.device not in ("auto", "cpu", "cuda") and not self.device.startswith("cuda:"):
            raise ConfigError(f"device: expected auto, cpu, cuda or cuda:N, found {self.device!r}")

    @property
    def rate(self) -> float:
        """The learning rate given, or the optimiser's usual one."""
        return LEARNING_RATES[self.optimizer] if self.learning_rate is None else self.learning_rate

    @property
    def batch(self) -> int:
        """The number of texts per step given, or the usual one."""
        return LEAST_BATCH if self.batch_size is None else self.batch_size

    def rate_after(self, epochs: float) -> float:
        """Return the learning rate of the next step after a number of epochs, such as 1.5."""
        if self.schedule != "linear" or self.max_epochs is None:
            return self.rate
        return self.rate * max(0.0, 1 - epochs / self.max_epochs)
