"""Misspelt texts: some words with one random edit."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

LEAST = 4  # letters of a word that is misspelt
LETTERS = "abcdefghijklmnopqrstuvwxyz"
_WORD = re.compile(rf"[A-Za-z]{{{LEAST},}}")


def misspelt(texts: Sequence[str], share: float, seed: int) -> list[str]:
    """Return texts in which a share of the words of `LEAST` letters or more is misspelt.

    The words of a smaller share are among those of a larger one with the same seed.

    Args:
        texts: N texts.
        share: of the words, 0 to 1.
        seed: governs which words, and how.
    """
    generator = np.random.default_rng(seed)

    def edited(found: re.Match[str]) -> str:
        chosen, kind, place, letter = generator.random(4)  # drawn for every word
        return edit(found[0], kind, place, letter) if chosen < share else found[0]

    return [_WORD.sub(edited, text) for text in texts]


def edit(word: str, kind: float, place: float, letter: float) -> str:
    """Return a word with two neighbouring letters swapped, or one dropped, doubled or replaced; another word always.

    Args:
        word: of letters.
        kind: which of the four, from 0 to 1.
        place: where, from 0 to 1.
        letter: the one that replaces, from 0 to 1.
    """
    number = int(4 * kind)
    if number == 0:
        places = [i for i in range(len(word) - 1) if word[i] != word[i + 1]]
        if places:
            i = places[int(place * len(places))]
            return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        number = 1  # all letters are the same
    i = int(place * len(word))
    others = LETTERS.replace(word[i].lower(), "")
    new = ("", 2 * word[i], others[int(letter * len(others))])[number - 1]
    return word[:i] + new + word[i + 1 :]
