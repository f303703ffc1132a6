"""Which encoding a text seems to have, for advice in messages only: nothing is ever read by a guess."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

_PUNCTUATION = re.compile("[\u2000-\u206f\u3000-\u303f\uff00-\uffef]")
_HIGH = re.compile(rb"[\x80-\xff]+")
_FEWEST = 4  # characters beyond ASCII to recognise a script by
_ENOUGH = 0.8  # of the characters beyond ASCII that must be usual ones of the script


def guessed_encoding(sample: bytes) -> str | None:
    """Return the encoding that fits a sample: `utf-8`, `cp1252`, or that of a usual script; None if none does.

    Args:
        sample: Whole lines, some of them with bytes beyond ASCII.
    """
    if _decoded(sample, "utf-8") is not None:
        return "utf-8"
    runs = [len(run) for run in _HIGH.findall(sample)]
    # Western letters beyond ASCII are mostly alone among others.
    if 2 * sum(run for run in runs if run == 1) >= sum(runs):
        return "cp1252" if _decoded(sample, "cp1252") is not None else None
    scores = {}
    for encoding, share in _SHARES.items():
        text = _decoded(sample, encoding)
        others = [char for char in text or "" if char > "\x7f"]
        if len(others) >= _FEWEST:
            scores[encoding] = share(others)
    # Those first whose share is the more telling.
    return next((each for each, score in scores.items() if score >= _ENOUGH), None)


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except UnicodeDecodeError:
        return None


def _kana(chars: list[str]) -> float:
    # A third of a Japanese text is kana at least.
    return 3 * sum("\u3041" <= char <= "\u30fe" for char in chars) / len(chars)


def _hangul(chars: list[str]) -> float:
    return sum("\uac00" <= char <= "\ud7a3" for char in chars) / len(chars) - 0.1


def _leads(encoding: str, first: int, last: int, least: int) -> Callable[[list[str]], float]:
    """Return the share of usual hanzi, by the range of their first byte and the least second byte."""

    def share(chars: list[str]) -> float:
        codes = [char.encode(encoding) for char in chars if not _PUNCTUATION.match(char)]
        usual = sum(len(code) == 2 and first <= code[0] <= last and code[1] >= least for code in codes)
        return usual / max(len(codes), 1)

    return share


def _cyrillic(chars: list[str]) -> float:
    # In the wrong one of two Cyrillic encodings, small letters are capital.
    small = sum("а" <= char <= "я" or char == "ё" for char in chars)
    odd = sum(a.islower() and b.isupper() for a, b in pairwise(chars))
    return (small - odd) / len(chars)


_SHARES: dict[str, Callable[[list[str]], float]] = {
    "cp932": _kana,
    "euc_jp": _kana,
    "cp1251": _cyrillic,
    "koi8-r": _cyrillic,
    "cp949": _hangul,
    "gb18030": _leads("gb18030", 0xB0, 0xD7, 0xA1),
    "big5": _leads("big5", 0xA4, 0xC6, 0x40),
}
