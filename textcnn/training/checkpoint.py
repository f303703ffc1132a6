"""Checkpoints: all that a run needs to go on as if it had never been stopped, in one safetensors file.

The file's tensors are weights, the best weights, the optimiser's state and torch's randomness; its
metadata is JSON. It is replaced whole after each epoch, so that a crash at any moment leaves the
last one readable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from textcnn.errors import ModelError

FORMAT, VERSION = "textcnn checkpoint", "1"


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is kept between epochs.

    Attributes:
        path: the file.
        identity: what must be the same for a run to go on: settings and a hash of the data, as JSON.
        environment: what the bits depend on besides; a difference is worth a warning.
        resume: go on from the file if it is there.
    """

    path: Path
    identity: Mapping[str, Any]
    environment: Mapping[str, Any]
    resume: bool

    def save(self, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
        """Replace the file.

        Raises:
            ModelError: it cannot be written.
        """
        from safetensors.torch import save as to_bytes

        head = {"identity": self.identity, "environment": self.environment, "state": state}
        content = to_bytes(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
            {"format": FORMAT, "version": VERSION, "head": json.dumps(head)},
        )
        part = self.path.with_name(f".{self.path.name}.part")
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise ModelError(f"{self.path}: could not write the checkpoint: {error.strerror or error}") from error

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Any]] | None:
        """Tensors, state and the environment of the run that wrote them; None if there is nothing to go on from.

        Raises:
            ModelError: the file is no checkpoint, or one of other settings or data.
        """
        from safetensors import SafetensorError, safe_open

        if not self.resume or not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT or metadata.get("version") != VERSION:
                    raise ModelError(f"{self.path}: expected a checkpoint of this textcnn, found another file")
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            head = json.loads(metadata["head"])
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"{self.path}: expected a checkpoint, found a damaged file ({error})") from None
        identity = json.loads(json.dumps(self.identity))  # as JSON keeps it: tuples are lists there
        different = sorted(name for name in identity if head["identity"].get(name) != identity[name])
        if different:
            raise ModelError(
                f"{self.path}: expected a checkpoint of this run, found one with other {', '.join(different)}; "
                "use the settings and data of that run, or leave --resume out"
            )
        return tensors, head["state"], head["environment"]

    def remove(self) -> None:
        """Delete the file once the model is saved."""
        self.path.unlink(missing_ok=True)
