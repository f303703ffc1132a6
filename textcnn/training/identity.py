"""Whether what was kept of a run is of this run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def differences(identity: Mapping[str, Any], kept: Mapping[str, Any]) -> list[str]:
    """Return the names of what differs between a run and one that was kept as JSON."""
    identity = json.loads(json.dumps(identity))  # as JSON keeps it: tuples are lists there
    return sorted(name for name in identity if kept.get(name) != identity[name])
