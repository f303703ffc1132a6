"""gensim's own vectors: what `KeyedVectors.save` of gensim 4 writes, usually named ``.kv``.

The file is a pickle: the words, and the array of vectors where it is small. A large array stands
beside it in numpy's format, ``NAME.vectors.npy`` (``NAME.vectors.npz`` where NAME ends in ``.gz``).
Loading a pickle can run any code, so this one is only read: see `textcnn.vectors._pickles`.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import VectorsError
from textcnn.vectors._pickles import BadPickleError, Call, Pairs, UnknownNameError, read_pickle
from textcnn.vectors._source import DAMAGED, Source, counted, open_file, shown, unreadable
from textcnn.vectors._word_rows import MAX_DIMENSION, Layout, Reader, Rows

PICKLE = b"\x80"  # how every pickle of protocol 2 or newer begins

_KEYED = "gensim.models.keyedvectors.KeyedVectors"
# Arrays are pickled under other names by numpy 1 and 2, and by protocol 5.
_RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_FROM_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_ENCODE = "_codecs.encode"  # protocol 2 has no bytes, and 3 no sets
_SETS = ("__builtin__.frozenset", "builtins.frozenset")
_NAMES = frozenset((_KEYED, *_RECONSTRUCT, *_FROM_BUFFER, _ENCODE, *_SETS, "numpy.ndarray", "numpy.dtype"))
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<>]f[248])', 'fortran_order': (True|False), "
    rb"'shape': \(([0-9]{1,18}), ([0-9]{1,18})\), \} *\n",
    re.DOTALL,
)
_HEADER_SIZE = 1024  # bytes that hold any such header
_BLOCK = 4096  # words


def read_keyed(source: Source) -> tuple[Layout, Reader]:
    """Read the words, and find the array of their vectors.

    Raises:
        VectorsError: the pickle holds something else or is damaged, or the array is, or is not there.
    """
    state = _state(source)
    words = state.get("index_to_key")
    if type(words) is not list or not all(word is None or type(word) is str for word in words):
        raise VectorsError(
            f"{source.path}: expected gensim KeyedVectors with strings for words, found other keys; "
            "write them with strings"
        )
    if not words:
        raise VectorsError(f"{source.path}: expected gensim KeyedVectors with words, found none; {DAMAGED}")
    if "vectors" in state:
        array = _array(state["vectors"])
        if array is None:
            raise VectorsError(
                f"{source.path}: expected the vectors as a matrix of floating-point numbers, found something else; "
                "write them anew"
            )
    else:
        array = _array_beside(source.path, len(words))
    height, width = array.shape
    if (height, width) != (len(words), state.get("vector_size")) or width > MAX_DIMENSION:
        raise VectorsError(
            f"{source.path}: expected the vectors of {len(words):,} words, of the length that it states, "
            f"found {height:,} of {counted(width)}; {DAMAGED}"
        )
    count = sum(word is not None for word in words)
    return Layout("gensim KeyedVectors", width, count), partial(_read, words, array)


def _read(words: Sequence[str | None], array: np.ndarray, rows: Rows) -> bytes:
    """Keep the rows of wanted words; the others are not even read from an array beside the pickle."""
    for start in range(0, len(words), _BLOCK):
        names = []
        for index, word in enumerate(words[start : start + _BLOCK], start):
            if word is None:  # a place that was reserved and never filled
                continue
            name = word.encode("utf-8", "surrogatepass")
            if name in rows.wanted:
                with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
                    rows.put(name, array[index].astype(np.float32), f"word {index + 1:,}")
            names.append(name)
        rows.count(names)
    return b""


def _state(source: Source) -> dict[str, Any]:
    """The attributes of the pickled `KeyedVectors`."""
    path = source.path
    data = b"".join(source.blocks(0))
    try:
        value = read_pickle(data, _NAMES)
    except UnknownNameError as error:
        raise VectorsError(f"{path}: expected gensim KeyedVectors, found {_stranger(str(error))}") from None
    except BadPickleError as error:
        raise VectorsError(
            f"{path}: expected a whole pickle of gensim KeyedVectors, found {error}; {DAMAGED}"
        ) from None
    match value:
        case Call(name=name, state=Pairs() as pairs) if name == _KEYED:
            keys, values = pairs[::2], pairs[1::2]
            if all(type(key) is str for key in keys):
                return dict(zip(keys, values, strict=True))
    raise VectorsError(
        f"{path}: expected gensim KeyedVectors, found a pickle of something else; "
        "give the file that `KeyedVectors.save` wrote"
    )


def _stranger(name: str) -> str:
    """What a pickle that names something else is, and what to do."""
    if name.startswith("gensim."):
        return (
            f"a pickle of {name[:80]!r}; if you trust it, load it with gensim 4 and write its vectors with "
            "`save_word2vec_format`"
        )
    return (
        f"a pickle that asks for {name[:80]!r}, which they never need; nothing was run, "
        "but do not load it with another program unless you trust it"
    )


def _array(value: Any) -> np.ndarray | None:
    """A pickled matrix of floating-point numbers, as a view of the pickle; None where it is something else."""
    match value:
        case Call(name=name, state=(_, shape, kind, bool() as fortran, data)) if name in _RECONSTRUCT:
            columns = fortran
        case Call(name=name, arguments=(data, kind, shape, "C" | "F" as order)) if name in _FROM_BUFFER:
            columns = order == "F"
        case _:
            return None
    match data:
        case Call(name=name, arguments=(str() as text, "latin1")) if name == _ENCODE:
            data = text.encode("latin-1", "replace")
    match kind, shape:
        case (
            Call(name="numpy.dtype", arguments=("f2" | "f4" | "f8" as code, *_), state=(_, "<" | ">" as end, *_)),
            (int() as height, int() as width),
        ) if isinstance(data, (bytes, memoryview)):
            dtype = np.dtype(end + code)
            if min(height, width) > 0 and height * width * dtype.itemsize == len(data):
                return _matrix(data, dtype, (height, width), columns=columns)
    return None


def _matrix(data: Any, dtype: np.dtype, shape: tuple[int, int], *, columns: bool) -> np.ndarray:
    """Bytes as a matrix, whose rows or `columns` they hold one after the other."""
    numbers = np.frombuffer(data, dtype)
    return numbers.reshape(shape[::-1]).T if columns else numbers.reshape(shape)


def _array_beside(path: Path, count: int) -> np.ndarray:
    """The array of `count` vectors that gensim stored beside the pickle."""
    zipped = path.suffix in (".gz", ".bz2")
    beside = path.with_name(f"{path.name}.vectors.{'npz' if zipped else 'npy'}")
    if not beside.exists():
        raise VectorsError(
            f"{path}: expected its vectors in {beside.name} beside it, found no such file; "
            "put it there, as gensim wrote the two"
        )
    raw, size = open_file(beside)
    with raw:
        try:
            if zipped:
                return _zipped_array(raw, beside, count)
            dtype, columns, shape, start = _header(raw.read(_HEADER_SIZE), beside, count)
            _check_size(beside, size - start, shape, dtype)
            # Only the pages of rows that are wanted are read.
            return np.memmap(raw, dtype, "r", start, shape, "F" if columns else "C")
        except (EOFError, KeyError, NotImplementedError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
            raise VectorsError(f"{beside}: expected a zipped array of numpy's, found: {error}; {DAMAGED}") from None
        except OSError as error:
            raise unreadable(beside, error) from error


def _zipped_array(raw: Any, beside: Path, count: int) -> np.ndarray:
    with zipfile.ZipFile(raw) as archive, archive.open("val.npy") as stream:
        head = stream.read(_HEADER_SIZE)
        dtype, columns, shape, start = _header(head, beside, count)
        size = math.prod(shape) * dtype.itemsize
        data = head[start:] + stream.read(max(0, size - len(head) + start) + 1)
    _check_size(beside, len(data), shape, dtype)
    return _matrix(data, dtype, shape, columns=columns)


def _header(head: bytes, beside: Path, count: int) -> tuple[np.dtype, bool, tuple[int, int], int]:
    """Type of an array, whether it goes by columns, its shape, and the byte at which its numbers begin."""
    found = _HEADER.match(head)
    if found is None:
        raise VectorsError(
            f"{beside}: expected a matrix of floating-point numbers in numpy's format, found a file that begins "
            f"with {shown(head)}; {DAMAGED}"
        )
    code, fortran, height, width = found.groups()
    shape = int(height), int(width)
    if shape[0] != count or not 1 <= shape[1] <= MAX_DIMENSION:
        raise VectorsError(
            f"{beside}: expected the vectors of {count:,} words in 1 to {MAX_DIMENSION:,} dimensions, "
            f"found {shape[0]:,} in {shape[1]:,}; {DAMAGED}"
        )
    return np.dtype(code.decode()), fortran == b"True", shape, found.end()


def _check_size(beside: Path, size: int, shape: tuple[int, int], dtype: np.dtype) -> None:
    expected = math.prod(shape) * dtype.itemsize
    if size != expected:
        raise VectorsError(
            f"{beside}: expected {expected:,} bytes of vectors, found {f'{size:,}' if size < expected else 'more'}; "
            f"{DAMAGED}"
        )
