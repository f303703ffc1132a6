"""Texts to tokens.

Each grammar has two implementations. `Tokenizer.columns` takes an Arrow column and works on all its characters at once:
characters are numbers, neighbouring characters decide where a token begins, and there is no Python object per text or
token. `Tokenizer.spans` runs a regular expression over a single text, which costs microseconds and gives the position
of each token in the original. Tests show that they agree on any text.

The grammars (on NFC text, optionally lower-cased character by character):

- `unicode`: Words of any language including inner apostrophes (`don't`), single punctuation marks, symbols and emoji (a
  sequence displayed as one emoji is one token); in scripts without spaces between words, every character is a token.
- `kim`: The cleaning of Kim (2014), `clean_str` in his code: words of ASCII letters, digits, apostrophes and backticks;
  brackets, commas, exclamation and question marks are tokens; the clitics `'s 've n't 're 'd 'll` are split off.
- `kim-sst`: The same for the Stanford treebank, which is already tokenized: no clitics are split off, and brackets,
  commas, exclamation and question marks may be part of words.
- `whitespace`: The result of `str.split()`.
- `characters`: Every code point, as for Zhang et al. (2015) and Conneau et al. (2017); a run of white space is one
  token, a space.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from textcnn.settings.config import TextConfig
from textcnn.text._characters import (
    APOSTROPHE,
    CHARACTER,
    CONTROL,
    FLAG,
    JAMO,
    JOINER,
    OTHER,
    SPACE,
    WORD,
    ZWJ,
    character_sets,
    classes,
)
from textcnn.text.tokens import Token, Tokens, offsets_of, run_positions

CHUNK = 1 << 20  # approximate number of bytes that are tokenized at once
_WINDOW, _OVERLAP = 1 << 12, 8  # bytes in which a place to cut is looked for; two characters have up to 8

# The grammar `unicode` over the class letters of `_characters.py`: a word with inner apostrophes; a pair of regional
# indicators; emoji joined by ZWJ; any other visible character. Each may be followed by marks.
_UNICODE = re.compile(rb"w[wjz]*(?:'w[wjz]*)*|rr?[jz]*|o[jz]*(?:(?<=z)o[jz]*)*|[c'][jz]*".replace(b"'", b"a"))
_KIM = re.compile(r"[(),!?]|[A-Za-z0-9'`](?:(?!'s|'ve|n't|'re|'d|'ll)[A-Za-z0-9'`])*")
_KIM_SST = re.compile(r"[A-Za-z0-9(),!?'`]+")
_WHITESPACE = re.compile(r"\S+")
_CHARACTERS = re.compile(r"\S|\s+")
_PATTERNS = {"kim": _KIM, "kim-sst": _KIM_SST, "whitespace": _WHITESPACE, "characters": _CHARACTERS}
SHOWN_SPACE = "␣"  # for a token that is a space
BEFORE_LOWER = {"Σ": "σ", "İ": "i"}  # what `str.lower` would not lower by itself


def lower(text: str) -> str:
    """Lower-case each character on its own: no final sigma, and no character becomes two."""
    for character, lowered in BEFORE_LOWER.items():
        text = text.replace(character, lowered)
    return text.lower()


def pattern_of(grammar: str) -> str:
    """Return a regular expression whose matches in a text are its tokens; the text is NFC, and lower-cased before.

    In the grammar `characters` a match of white space stands for one space. Python's `re` runs the pattern on the text
    itself, without the table of characters.
    """
    if grammar != "unicode":
        return _PATTERNS[grammar].pattern
    sets = character_sets()

    def written_out(found: re.Match[str]) -> str:
        return f"[{''.join(sets[letter] for letter in found[0].strip('[]'))}]"

    return re.sub(r"\[\w+\]|\w", written_out, _UNICODE.pattern.decode())


class Tokenizer:
    """Splits texts into tokens by one of the grammars.

    Args:
        config: The grammar, lower-casing, and the largest number of tokens per text.
    """

    def __init__(self, config: TextConfig) -> None:
        self.config = config

    def columns(self, texts: pa.ChunkedArray | pa.Array) -> Iterator[Tokens]:
        """Tokenize a column of strings.

        Args:
            texts: Strings without nulls.

        Yields:
            The tokens of consecutive texts, about `CHUNK` bytes at a time. A longer text comes in pieces, cut where no
            token crosses; only one without such a place stays whole.
        """
        chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
        for chunk in chunks:
            for part in _bounded(chunk.cast(pa.large_string())):
                if _size(part) <= 2 * CHUNK:
                    yield self._columns(part, self.config.max_length)
                    continue
                yield from self._long(part.slice(0, 1))
                if len(part) > 1:
                    yield self._columns(part.slice(1), self.config.max_length)

    def _long(self, text: pa.LargeStringArray) -> Iterator[Tokens]:
        """Yield the tokens of one text, in pieces."""
        limit, continued = self.config.max_length, False
        for piece in _pieces(text, self.config.tokenizer):
            tokens = self._columns(piece, limit)
            yield dataclasses.replace(tokens, continued=continued)
            continued = True
            if limit is not None:
                limit -= len(tokens.words)
                if not limit:
                    return

    def _columns(self, texts: pa.LargeStringArray, limit: int | None) -> Tokens:
        codes, borders = _characters(texts, lowercase=self.config.lowercase)
        first = np.zeros(len(codes) + 1, dtype=bool)  # a text begins here
        first[borders] = True
        if self.config.tokenizer == "characters":
            codes = np.where(classes()[codes] == SPACE, codes.dtype.type(ord(" ")), codes)
        start, keep = _RULES[self.config.tokenizer](codes, first[:-1])
        starts = np.flatnonzero(start)
        offsets = np.searchsorted(starts, borders)
        words = _strings(codes[keep], start[keep])
        if limit is not None and len(texts) and int(np.diff(offsets).max()) > limit:
            lengths = np.diff(offsets)
            words = words.filter(pa.array(run_positions(lengths) < limit))
            offsets = offsets_of(np.minimum(lengths, limit))
        return Tokens(words, offsets)

    def spans(self, text: str) -> list[Token]:
        """Return the tokens of one text with their positions.

        If `text` is not NFC, the positions are those of the characters from which a token was composed.

        Args:
            text: The text.
        """
        origin = None
        if not text.isascii() and not unicodedata.is_normalized("NFC", text):
            text, origin = _normalize_with_origin(text)
        if self.config.lowercase:
            text = lower(text)
        matches = [match.span() for match in self._matches(text)][: self.config.max_length]
        words = [text[i:j] for i, j in matches]
        if self.config.tokenizer == "characters":
            words = [" " if word.isspace() else word for word in words]
        if origin is not None:
            matches = [(origin[i], origin[j]) for i, j in matches]
        return [Token(word, i, j) for word, (i, j) in zip(words, matches, strict=True)]

    def shown(self, words: Sequence[str]) -> str:
        """Return neighbouring tokens as one string, for people to read; a token that is a space is visible."""
        if self.config.tokenizer == "characters":
            return "".join(words).replace(" ", SHOWN_SPACE)
        return " ".join(words)

    def _matches(self, text: str) -> Iterator[re.Match]:
        if self.config.tokenizer == "unicode":
            codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
            return _UNICODE.finditer(classes()[codes].tobytes())
        return _PATTERNS[self.config.tokenizer].finditer(text)


def _bounded(texts: pa.LargeStringArray) -> Iterator[pa.LargeStringArray]:
    """Split a column where the number of its bytes passes a multiple of `CHUNK`; a long text begins a part."""
    if not len(texts):
        return
    ends = _offsets(texts)
    edges = np.flatnonzero(np.diff((ends[1:] - ends[0]) // CHUNK)) + 1
    previous = 0
    for edge in [*edges.tolist(), len(texts)]:
        yield texts.slice(previous, edge - previous)
        previous = edge


def _offsets(texts: pa.LargeStringArray) -> np.ndarray:
    return np.frombuffer(texts.buffers()[1], dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]


def _size(texts: pa.LargeStringArray) -> int:
    """Return the number of bytes of all texts."""
    offsets = _offsets(texts)
    return int(offsets[-1] - offsets[0])


def _pieces(text: pa.LargeStringArray, grammar: str) -> Iterator[pa.LargeStringArray]:
    """Cut one text into pieces of about `CHUNK` bytes."""
    begin, end = _offsets(text).tolist()
    data = text.buffers()[2]
    while begin < end:
        cut = begin + CHUNK
        while cut < end:
            window = data[cut : min(cut + _WINDOW, end)].to_pybytes()
            found = _cut(window, grammar)
            cut += _WINDOW - _OVERLAP if found is None else found
            if found is not None:
                break
        cut = min(cut, end)
        yield pa.LargeStringArray.from_buffers(1, pa.py_buffer(np.array([begin, cut])), data)
        begin = cut


def _cut(window: bytes, grammar: str) -> int | None:
    """Return where bytes of a text can be cut so that the two parts have the tokens of the whole, or None.

    That is after a character that belongs to no token with the next one (a space; in the grammar `unicode` also any
    that is a token by itself; in `characters` all but spaces), and before one that neither joins nor composes with the
    character before it.
    """
    skipped = next((i for i, byte in enumerate(window) if byte & 0xC0 != 0x80), len(window))
    text = window[skipped:].decode("utf-8", "ignore")
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    kinds = classes()[codes]
    apart = {"unicode": (SPACE, CONTROL, CHARACTER, OTHER), "characters": (CONTROL, CHARACTER, OTHER, WORD)}
    before = np.isin(kinds, apart.get(grammar, (SPACE,)))
    after = np.isin(kinds, (SPACE, CONTROL, CHARACTER, OTHER, WORD)) & ((codes < JAMO.start) | (codes >= JAMO.stop))
    places = np.flatnonzero(before[:-1] & after[1:])
    return skipped + len(text[: places[0] + 1].encode()) if len(places) else None


def _characters(texts: pa.LargeStringArray, *, lowercase: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the code points of N texts (uint8 if all are ASCII, else uint32) and the texts' offsets, (N + 1,)."""
    data, borders = texts.buffers()[2], _offsets(texts)
    content = np.frombuffer(data or b"", dtype=np.uint8)[borders[0] : borders[-1]]
    borders = borders - borders[0]
    if not len(content) or content.max() < 0x80:
        return (_ASCII_LOWER[content] if lowercase else content), borders
    text = content.tobytes().decode()
    if not unicodedata.is_normalized("NFC", text):
        # Rare: compose text by text, so that a mark never joins the previous text.
        composed = pa.array([unicodedata.normalize("NFC", t) for t in texts.to_pylist()], pa.large_string())
        if not composed.equals(texts):
            return _characters(composed, lowercase=lowercase)
    before = np.concatenate([[0], np.cumsum((content & 0xC0) != 0x80, dtype=np.int64)])  # characters before a byte
    codes = np.frombuffer((lower(text) if lowercase else text).encode("utf-32-le"), dtype="<u4")
    return codes, before[borders]


_ASCII_LOWER = np.frombuffer(bytes(range(0x80)).lower(), dtype=np.uint8)


def _strings(codes: np.ndarray, start: np.ndarray) -> pa.Array:
    """Return code points as an Arrow column of strings; a string begins at each True in `start`."""
    starts = np.flatnonzero(start)
    if codes.dtype == np.uint8:
        data, bytes_before = codes.tobytes(), None
    else:
        data = codes.tobytes().decode("utf-32-le").encode()
        sizes = 1 + (codes > 0x7F).astype(np.int64) + (codes > 0x7FF) + (codes > 0xFFFF)
        bytes_before = np.cumsum(sizes) - sizes
    ends = np.append(starts if bytes_before is None else bytes_before[starts], len(data))
    buffers = [None, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(starts), buffers)


def _after(mask: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return where the previous character of the same text is in the mask."""
    out = np.empty_like(mask)
    out[:1] = False
    out[1:] = mask[:-1]
    return out & ~first


def _before(mask: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Return where the next character of the same text is in the mask."""
    out = np.empty_like(mask)
    out[-1:] = False
    out[:-1] = mask[1:] & ~first[1:]
    return out


def _unicode_rule(codes: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where a token of the grammar `unicode` starts, and which characters belong to a token."""
    kinds = classes()[codes]
    joins = (kinds == JOINER) | (kinds == ZWJ)
    if not joins.any():
        start = _base_starts(kinds, first, adjacent=True, after_zwj=False)
        return start, (kinds != SPACE) & (kinds != CONTROL)
    # Decide among the characters that are not marks; a mark then follows the character before it.
    base = np.flatnonzero(~joins)
    text = np.cumsum(first)
    adjacent = np.diff(base, prepend=-1) == 1
    base_first = np.diff(text[base], prepend=0) != 0
    after_zwj = (kinds[base - 1] == ZWJ) & (base > 0)
    start = np.zeros(len(codes), dtype=bool)
    start[base] = _base_starts(kinds[base], base_first, adjacent=adjacent, after_zwj=after_zwj)
    keep = (kinds != SPACE) & (kinds != CONTROL) & ~joins
    marks = np.flatnonzero(joins)
    owner = np.searchsorted(base, marks) - 1
    owned = owner >= 0
    owner = base[owner[owned]]
    keep[marks[owned]] = keep[owner] & (text[owner] == text[marks[owned]])
    return start, keep


def _base_starts(
    kinds: np.ndarray, first: np.ndarray, *, adjacent: np.ndarray | bool, after_zwj: np.ndarray | bool
) -> np.ndarray:
    """Return where tokens start among characters that are not marks, (M,) bool.

    Args:
        kinds: Their classes, (M,).
        first: Whether a text begins with the character, (M,).
        adjacent: Whether there is no mark between the character and the one before.
        after_zwj: Whether a zero-width joiner is directly before the character.
    """
    word = kinds == WORD
    inner = (kinds == APOSTROPHE) & _after(word, first) & _before(word & adjacent, first)
    start = (kinds != SPACE) & (kinds != CONTROL) & ~inner & ~(word & _after(word | inner, first))
    other = kinds == OTHER
    start &= ~(other & _after(other, first) & after_zwj)
    flag = kinds == FLAG
    if flag.any():
        at = np.arange(len(kinds))
        begins = flag & ~(_after(flag, first) & adjacent)
        run = np.maximum.accumulate(np.where(begins, at, 0))
        start &= ~(flag & ((at - run) % 2 == 1))
    return start


def _kim_rule(codes: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where a token of the grammar `kim` starts, and which characters belong to a token."""
    kept, single = _kim_characters(codes, "(),!?")
    mark = codes == ord("'")
    n = codes == ord("n")
    following = {c: _before(codes == ord(c), first) for c in "sdvertl"}
    pair = {p: _before((codes == ord(p[0])) & following[p[1]], first) for p in ("ve", "re", "ll")}
    clitic = mark & (following["s"] | following["d"] | pair["ve"] | pair["re"] | pair["ll"])
    clitic |= n & _before(mark & following["t"], first)
    word = kept & ~single
    return kept & (single | clitic | ~_after(word, first)), kept


def _kim_sst_rule(codes: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept, _ = _kim_characters(codes, "")
    return kept & ~_after(kept, first), kept


def _kim_characters(codes: np.ndarray, single: str) -> tuple[np.ndarray, np.ndarray]:
    """Return which characters Kim's cleaning keeps, and which of these are in `single`."""
    within = np.zeros(0x81, dtype=np.uint8)  # the last entry is for all characters outside ASCII
    within[[ord(c) for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789(),!?'`"]] = 1
    within[[ord(c) for c in single]] = 2
    kinds = within[np.minimum(codes, 0x80)]
    return kinds > 0, kinds == 2


def _whitespace_rule(codes: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    kept = classes()[codes] != SPACE
    return kept & ~_after(kept, first), kept


def _characters_rule(codes: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where a token of the grammar `characters` starts: everywhere but within a run of spaces."""
    space = codes == ord(" ")
    kept = ~(space & _after(space, first))
    return kept, kept


_RULES = {
    "unicode": _unicode_rule,
    "kim": _kim_rule,
    "kim-sst": _kim_sst_rule,
    "whitespace": _whitespace_rule,
    "characters": _characters_rule,
}


def _normalize_with_origin(text: str) -> tuple[str, list[int]]:
    """Return the NFC of `text`, and the index in `text` from which each of its characters (and its end) comes."""
    pieces: list[str] = []
    origin: list[int] = []
    begin = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and not _breaks(text[begin:end], text[end]):
            continue
        piece = unicodedata.normalize("NFC", text[begin:end])
        pieces.append(piece)
        # A piece of the same length maps character by character; otherwise all of it is one source.
        same = len(piece) == end - begin
        origin += range(begin, end) if same else [begin] * len(piece)
        begin = end
    return "".join(pieces), [*origin, len(text)]


def _breaks(before: str, character: str) -> bool:
    """Return whether NFC treats `character` independently of the characters before it."""
    if unicodedata.combining(character):
        return False
    joined = unicodedata.normalize("NFC", before + character)
    return joined == unicodedata.normalize("NFC", before) + unicodedata.normalize("NFC", character)
