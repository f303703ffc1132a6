"""A pickle read as data: nothing it names is imported, called or hashed.

A pickle is a program for a small stack machine, and the machine of the `pickle` module does as it
is told: it imports, calls, and sets attributes. This one writes down what it is told, and no more.
A value of Python's own comes out as itself, what would have been a call as a `Call`, a dict as
flat `Pairs`. Even a class's name is refused unless the caller knows it.

It is also safe from what a restricted `pickle.Unpickler` is not: a memo index that fills the
memory, keys that take forever to hash. Time and memory are bounded by the length of the pickle.

Source: Python's `pickletools`, which describes each instruction. Protocols 2 to 5, as far as the
pickles of arrays, strings and plain objects go.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

Kind = TypeVar("Kind")

_MARK, _PROTOCOL, _STOP = ord("("), 0x80, ord(".")
_MAX_NAME = 1024  # bytes


class BadPickleError(Exception):
    """The pickle is damaged, or asks for something unusual; the message says what was found."""


class UnknownNameError(Exception):
    """The pickle names something that the caller does not know; the message is that name."""


@dataclass(frozen=True)
class Name:
    """Something that would have been imported: `module.name`."""

    value: str


@dataclass(eq=False)
class Call:
    """An object that would have been made: `name(*arguments)`, and then been given `state`."""

    name: str
    arguments: tuple
    state: Any = None


class Pairs(list):
    """The keys and values of a dict by turns."""


def read_pickle(data: bytes, names: Collection[str]) -> Any:
    """Read the value that a pickle describes.

    Args:
        data: The pickle; bytes in the value are views of it.
        names: What the pickle may name, as `module.name`.

    Returns:
        None, a bool, int, float, str, memoryview, tuple, list (for a set too), `Pairs` or `Call`,
        and nothing else within these.

    Raises:
        BadPickleError: it cannot be read.
        UnknownNameError: it names something else.
    """
    machine = _Machine(memoryview(data), names)
    try:
        while (code := machine.take(1)[0]) != _STOP:
            if code not in _STEPS:
                raise BadPickleError(f"an instruction that it never needs (0x{code:02x})")
            _STEPS[code](machine)
        return machine.stack.pop()
    except IndexError:
        raise BadPickleError("instructions that lack their values") from None


class _Machine:
    """The stack machine's state."""

    def __init__(self, data: memoryview, names: Collection[str]) -> None:
        self.data = data
        self.names = names
        self.position = 0
        self.stack: list[Any] = []
        self.outer: list[list[Any]] = []  # the stacks below each mark
        self.memo: list[Any] = []

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if end > len(self.data):
            raise BadPickleError("its end in the middle of a value")
        piece = self.data[self.position : end]
        self.position = end
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def line(self) -> str:
        line, end, _ = bytes(self.data[self.position : self.position + _MAX_NAME]).partition(b"\n")
        if not end:
            raise BadPickleError("a name without an end")
        self.position += len(line) + 1
        return _decoded(memoryview(line))

    def above_mark(self) -> list[Any]:
        """All above the last mark, which is taken away."""
        items = self.stack
        self.stack = self.outer.pop()
        return items

    def top(self, kind: type[Kind]) -> Kind:
        return _checked(self.stack[-1], kind)

    def pop(self, kind: type[Kind]) -> Kind:
        return _checked(self.stack.pop(), kind)


def _checked(value: Any, kind: type[Kind]) -> Kind:
    if type(value) is not kind:
        raise BadPickleError(f"a {type(value).__name__} where a {kind.__name__} belongs")
    return value


def _decoded(data: memoryview) -> str:
    try:
        return str(data, "utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise BadPickleError("a string that is not UTF-8") from None


def _protocol(machine: _Machine) -> None:
    version = machine.number(1)
    if not 2 <= version <= 5:
        raise BadPickleError(f"protocol {version}")


def _frame(machine: _Machine) -> None:
    machine.take(8)


def _constant(machine: _Machine, *, value: Any) -> None:
    machine.stack.append(value)


def _empty(machine: _Machine, *, kind: type[list]) -> None:
    machine.stack.append(kind())


def _unsigned(machine: _Machine, *, size: int) -> None:
    machine.stack.append(machine.number(size))


def _signed(machine: _Machine) -> None:
    machine.stack.append(int.from_bytes(machine.take(4), "little", signed=True))


def _long(machine: _Machine) -> None:
    machine.stack.append(int.from_bytes(machine.take(machine.number(1)), "little", signed=True))


def _float(machine: _Machine) -> None:
    machine.stack.append(struct.unpack(">d", machine.take(8))[0])


def _text(machine: _Machine, *, size: int) -> None:
    machine.stack.append(_decoded(machine.take(machine.number(size))))


def _bytes(machine: _Machine, *, size: int) -> None:
    machine.stack.append(machine.take(machine.number(size)))


def _mark(machine: _Machine) -> None:
    machine.outer.append(machine.stack)
    machine.stack = []


def _tuple(machine: _Machine, *, size: int) -> None:
    if len(machine.stack) < size:
        raise IndexError
    start = len(machine.stack) - size
    machine.stack[start:] = [tuple(machine.stack[start:])]


def _tuple_above_mark(machine: _Machine) -> None:
    items = machine.above_mark()
    machine.stack.append(tuple(items))


def _list_above_mark(machine: _Machine) -> None:
    items = machine.above_mark()
    machine.stack.append(items)


def _extend_list(machine: _Machine) -> None:
    items = machine.above_mark()
    machine.top(list).extend(items)


def _append(machine: _Machine) -> None:
    value = machine.stack.pop()
    machine.top(list).append(value)


def _extend_pairs(machine: _Machine) -> None:
    items = machine.above_mark()
    if len(items) % 2:
        raise BadPickleError("a key without a value")
    machine.top(Pairs).extend(items)


def _append_pair(machine: _Machine) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    machine.top(Pairs).extend((key, value))


def _memoize(machine: _Machine) -> None:
    machine.memo.append(machine.stack[-1])


def _put(machine: _Machine, *, size: int) -> None:
    index = machine.number(size)
    if index != len(machine.memo):
        raise BadPickleError("values that are numbered out of turn")
    _memoize(machine)


def _get(machine: _Machine, *, size: int) -> None:
    machine.stack.append(machine.memo[machine.number(size)])


def _name(machine: _Machine) -> None:
    _push_name(machine, machine.line(), machine.line())


def _stack_name(machine: _Machine) -> None:
    name, module = machine.pop(str), machine.pop(str)
    _push_name(machine, module, name)


def _push_name(machine: _Machine, module: str, name: str) -> None:
    if f"{module}.{name}" not in machine.names:
        raise UnknownNameError(f"{module}.{name}")
    machine.stack.append(Name(f"{module}.{name}"))


def _call(machine: _Machine) -> None:
    arguments, name = machine.pop(tuple), machine.pop(Name)
    machine.stack.append(Call(name.value, arguments))


def _state(machine: _Machine) -> None:
    state = machine.stack.pop()
    machine.top(Call).state = state


_STEPS: dict[int, Callable[[_Machine], None]] = {
    _PROTOCOL: _protocol,
    0x95: _frame,
    ord("N"): partial(_constant, value=None),
    0x88: partial(_constant, value=True),
    0x89: partial(_constant, value=False),
    ord(")"): partial(_constant, value=()),
    ord("]"): partial(_empty, kind=list),
    0x8F: partial(_empty, kind=list),  # a set
    ord("}"): partial(_empty, kind=Pairs),
    ord("K"): partial(_unsigned, size=1),
    ord("M"): partial(_unsigned, size=2),
    ord("J"): _signed,
    0x8A: _long,
    ord("G"): _float,
    0x8C: partial(_text, size=1),
    ord("X"): partial(_text, size=4),
    0x8D: partial(_text, size=8),
    ord("C"): partial(_bytes, size=1),
    ord("B"): partial(_bytes, size=4),
    0x8E: partial(_bytes, size=8),
    0x96: partial(_bytes, size=8),  # a bytearray
    _MARK: _mark,
    0x85: partial(_tuple, size=1),
    0x86: partial(_tuple, size=2),
    0x87: partial(_tuple, size=3),
    ord("t"): _tuple_above_mark,
    0x91: _list_above_mark,  # a frozenset
    ord("e"): _extend_list,
    0x90: _extend_list,  # a set
    ord("a"): _append,
    ord("u"): _extend_pairs,
    ord("s"): _append_pair,
    0x94: _memoize,
    ord("q"): partial(_put, size=1),
    ord("r"): partial(_put, size=4),
    ord("h"): partial(_get, size=1),
    ord("j"): partial(_get, size=4),
    ord("c"): _name,
    0x93: _stack_name,
    0x81: _call,  # cls.__new__(cls, *arguments)
    ord("R"): _call,
    ord("b"): _state,
}
