"""Checkpoints: all that a run needs to continue as if it had never been stopped, in one file.

The file is safetensors with their SHA-256 after them: weights, the best weights, the optimiser's state and torch's
randomness, with JSON as their metadata. It is replaced whole after an epoch, so that a crash at any moment leaves the
last one readable. The hash shows damage, not intent: everything is checked again before it is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcnn.errors import ModelError
from textcnn.files import read_plain, written_whole
from textcnn.training.group import ONE_PROCESS, TrainingGroup
from textcnn.training.identity import differences
from textcnn.training.progress import Epoch

if TYPE_CHECKING:
    import torch

FORMAT, VERSION = "textcnn checkpoint", "5"

_DIGEST = hashlib.sha256().digest_size
_NAMES = {"torch.float32": "F32", "torch.float64": "F64", "torch.int64": "I64", "torch.uint8": "U8"}  # safetensors' own
_TYPES = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class Kept:
    """What a checkpoint holds.

    Attributes:
        tensors: by name.
        epochs: those that were done.
        best: of the best epoch `score` (larger is better), `loss`, number (`epoch`) and `share` of the linear model.
        generators: state of numpy's generator for each network.
        environment: of the run that wrote it.
    """

    tensors: dict[str, torch.Tensor]
    epochs: list[Epoch]
    best: dict[str, Any]
    generators: list[dict[str, Any]]
    environment: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept between epochs.

    Attributes:
        path: the file.
        identity: what must be the same for a run to resume: settings and a hash of the data, as JSON.
        environment: what the bits depend on besides; a difference is worth a warning.
        resume: continue from the file if it exists.
        group: the processes that train together, of which the first one keeps the file.
    """

    path: Path
    identity: Mapping[str, Any]
    environment: dict[str, Any]
    resume: bool
    group: TrainingGroup = ONE_PROCESS

    def save(self, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        """Replace the file.

        Raises:
            ModelError: it cannot be written.
        """
        if not self.group.leads:
            return
        head = {"identity": self.identity, "environment": self.environment, "state": state}
        metadata = {"format": FORMAT, "version": VERSION, "head": json.dumps(head)}
        digest = hashlib.sha256()
        try:
            with written_whole(self.path) as file:
                for part in _serialized(tensors, metadata):
                    file.write(part)
                    digest.update(part)
                file.write(digest.digest())
        except OSError as error:
            raise ModelError(f"{self.path}: could not write the checkpoint: {error.strerror or error}") from error

    def load(self, expected: Mapping[str, torch.Tensor], *, texts: int, networks: int) -> Kept | None:
        """Read the file and check everything in it.

        Args:
            expected: tensors of the names, shapes and types that the run keeps; `randomness.cuda` may be missing.
            texts: N, the training texts, which bound the steps of an epoch.
            networks: how many the run trains.

        Returns:
            What it holds; None if there is nothing to resume from.

        Raises:
            ModelError: the file is no checkpoint, one of other settings or data, or has wrong contents.
        """
        content = self.group.first(self._read() if self.group.leads and self.resume and self.path.exists() else None)
        if content is None:
            return None
        head, tensors = self._parse(content)
        identity = head.get("identity")
        if not isinstance(identity, dict):
            raise self.wrong("an identity")
        different = differences(self.identity, identity)
        if different:
            raise ModelError(
                f"{self.path}: expected a checkpoint of this run, found one with other {', '.join(different)}; "
                "use the settings and data of that run, or leave --resume out"
            )
        self._check_tensors(tensors, expected)
        if not ((tensors["share"] >= 0) & (tensors["share"] <= 1)).all():
            raise self.wrong("shares from 0 to 1")
        kept = self._state(head, tensors, networks)
        self._check_steps(tensors, len(kept.epochs) * texts)
        return kept

    def _read(self) -> bytes:
        """Return the content before the hash."""
        try:
            content = read_plain(self.path)
        except OSError as error:
            raise ModelError(f"{self.path}: could not read the checkpoint: {error.strerror or error}") from None
        content, digest = content[:-_DIGEST], content[-_DIGEST:]
        if hashlib.sha256(content).digest() != digest:
            raise ModelError(
                f"{self.path}: expected a checkpoint, found another or a damaged file; "
                "remove it, or train again (--overwrite)"
            )
        return content

    def _parse(self, content: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """Return the JSON and the tensors."""
        from safetensors import SafetensorError
        from safetensors.torch import load as from_bytes

        try:
            size = int.from_bytes(content[:8], "little")
            metadata = json.loads(content[8 : 8 + size])["__metadata__"]
            version, head = metadata["version"], json.loads(metadata["head"])
            tensors = from_bytes(content)
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            raise self.wrong("safetensors with the run's state as JSON") from None
        if version != VERSION:
            raise ModelError(
                f"{self.path}: expected version {VERSION} of the format, found {version!r}; "
                "resume with the textcnn that wrote it"
            )
        if not isinstance(head, dict):
            raise self.wrong("an object as the run's state")
        return head, tensors

    def _check_tensors(self, tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
        # A run may be resumed on another device.
        optional = {name for name in tensors.keys() | expected.keys() if name.endswith("randomness.cuda")}
        if tensors.keys() - optional != expected.keys() - optional:
            names = sorted((tensors.keys() ^ expected.keys()) - optional)
            raise self.wrong(f"the tensors of this run, which differ in {', '.join(names[:5])}")
        for name, tensor in tensors.items():
            like = expected.get(name, tensor)
            if tensor.shape != like.shape or tensor.dtype != like.dtype:
                raise self.wrong(f"{name} as {like.dtype} of the shape {tuple(like.shape)}")

    def _check_steps(self, tensors: Mapping[str, torch.Tensor], most: int) -> None:
        """Check each optimiser's number of steps, and the step that each row was last updated in."""
        for name, tensor in tensors.items():
            if name.endswith("/steps"):
                steps = int(tensor)
                last = tensors[name.removesuffix("steps") + "last"]
                if not 0 <= steps <= most:
                    raise self.wrong(f"{name} from 0 to {most}")
                if len(last) and not 0 <= int(last.min()) <= int(last.max()) <= steps:
                    raise self.wrong(f"{name.removesuffix('steps')}last from 0 to {steps}")

    def _state(self, head: Mapping[str, Any], tensors: dict[str, torch.Tensor], networks: int) -> Kept:
        state, environment = head.get("state"), head.get("environment")
        try:
            epochs = [_epoch(values) for values in state["epochs"]]  # type: ignore[index]
            best, generators = dict(state["best"]), list(state["generators"])  # type: ignore[index]
            numbers = [best[name] for name in ("score", "loss")]
            number = best["epoch"]
        except (KeyError, TypeError, ValueError):
            raise self.wrong("the epochs, the best one and the generators as the run's state") from None
        if (
            not isinstance(environment, dict)
            or len(generators) != networks
            or not all(isinstance(generator, dict) for generator in generators)
        ):
            raise self.wrong("objects as environment and generators")
        if [epoch.number for epoch in epochs] != list(range(1, len(epochs) + 1)) or not epochs:
            raise self.wrong("epochs from 1 on")
        if (
            type(number) is not int
            or not 1 <= number <= len(epochs)
            or not all(type(x) is float and math.isfinite(x) for x in numbers)
            or len(best) != len(numbers) + 1
        ):
            raise self.wrong(f"a best epoch from 1 to {len(epochs)} with its scores")
        return Kept(tensors, epochs, best, generators, environment)

    def wrong(self, expected: str) -> ModelError:
        """Return the error for contents that are not what they should be."""
        return ModelError(
            f"{self.path}: expected {expected}, found something else in the checkpoint; "
            "remove it, or train again (--overwrite)"
        )


def _serialized(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Iterator[bytes | memoryview]:
    """Yield safetensors part by part; the library's own `save` takes as much memory again as all tensors."""
    kept = sorted(tensors.items(), key=lambda item: -item[1].element_size())  # so that each is aligned
    header: dict[str, Any] = {"__metadata__": metadata}
    end = 0
    for name, tensor in kept:
        begin, end = end, end + tensor.nbytes
        header[name] = {
            "dtype": _NAMES[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    yield len(head).to_bytes(8, "little") + head
    for _, tensor in kept:
        yield tensor.detach().cpu().contiguous().view(-1).numpy().data


def _epoch(values: Any) -> Epoch:
    """Return an epoch; TypeError unless each figure is of its type, and finite."""
    epoch = Epoch(**values)
    for field in dataclasses.fields(epoch):
        value = getattr(epoch, field.name)
        if value is None and field.default is None:
            continue
        if type(value) is not _TYPES[str(field.type).removesuffix(" | None")] or (
            type(value) is float and not math.isfinite(value)
        ):
            raise TypeError(field.name)
    return epoch
