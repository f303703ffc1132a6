"""The interface of a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from textcnn.errors import ConfigError, listed


class Teacher(ABC):
    """Gives texts the probabilities of known classes.

    Attributes:
        name: for people.
        digest: a hash of all that its answers depend on.
    """

    name: str
    digest: str

    @abstractmethod
    def probabilities(self, texts: list[str]) -> np.ndarray:
        """Return the probability of each class for N texts, (N, K).

        Raises:
            DataError: the teacher fails, or gives something else.
        """


def order_of(own: Sequence[str], classes: Sequence[str], name: str) -> np.ndarray:
    """Return which of a teacher's columns is each class's, (K,); names may differ in case where that is enough.

    Raises:
        ConfigError: the classes are others.
    """
    for same in (str, str.casefold):
        mine, wanted = [same(one) for one in own], [same(one) for one in classes]
        if len(set(mine)) == len(mine) and sorted(mine) == sorted(wanted):
            return np.array([mine.index(one) for one in wanted])
    raise ConfigError(
        f"{name}: expected a teacher of the classes {listed(classes)}, found one of {listed(own)}; give both the same "
        "names"
    )
