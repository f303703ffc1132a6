"""A setting is declared once: a field of a dataclass, with its check, help and flag as the field's metadata."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from dataclasses import dataclass
from typing import Any, TypeVar

from textcnn.errors import ConfigError, quoted

LARGEST = 2**32  # of whole numbers: a larger setting is a typing error

_ONE, _MANY, _EITHER = "one", "many", "either"

Kind = TypeVar("Kind", bound=type)


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a field says of itself.

    Attributes:
        help: one or two sentences, for `textcnn train --help` and the dataclass's docstring.
        kind: type of a value: `int`, `float`, `bool` or `str`.
        values: `one`, `many` (a tuple; a single value makes one of length 1) or `either`.
        choices: the values allowed; empty where others than these are.
        words: strings allowed beside numbers.
        least: smallest number allowed.
        above: numbers must be larger.
        below: numbers must be smaller.
        most: largest number allowed.
        optional: whether None is a value.
        unset: what None as keyword or a missing flag means where that depends on other settings; shown in the help.
        flag: of the command line; by default the field's name.
        keyword: of the estimator; by default the field's name.
        only_with: another field and the value of it without which this one has no effect.
        separator: of several values on the command line.
        aliases: other programs' names of the flag, without dashes, for the error on an unknown option.
    """

    help: str
    kind: type
    values: str = _ONE
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    least: float | None = None
    above: float | None = None
    below: float | None = None
    most: float | None = None
    optional: bool = False
    unset: str = ""
    flag: str = ""
    keyword: str = ""
    only_with: tuple[str, Any] | None = None
    separator: str = ","
    aliases: tuple[str, ...] = ()

    def check(self, name: str, value: Any) -> Any:
        """Return `value` in its saved form; `name` names it in errors.

        Raises:
            ConfigError: it is of another type, or out of range.
        """
        if hasattr(value, "tolist"):  # numpy's scalars and arrays, which searches over settings draw
            value = value.tolist()
        if (value is None and self.optional) or (isinstance(value, str) and value in self.words):
            return value
        several = isinstance(value, (tuple, list))
        if self.values == _ONE or (self.values == _EITHER and not several):
            return self._check_one(name, value)
        if not several:
            value = (value,)
        if not value and self.least is not None:
            raise ConfigError(f"{name}: expected whole numbers such as (3, 4, 5), found {quoted(value)}")
        return tuple(self._check_one(name, item) for item in value)

    def _check_one(self, name: str, value: Any) -> Any:
        if self.choices:
            if not isinstance(value, str) or value not in self.choices:
                raise ConfigError(f"{name}: expected one of {', '.join(self.choices)}, found {quoted(value)}")
        elif self.kind is bool or self.kind is str:
            if not isinstance(value, self.kind):
                expected = "True or False" if self.kind is bool else "a string"
                raise ConfigError(f"{name}: expected {expected}, found {quoted(value)}")
        else:
            self._check_number(name, value)
        return value

    def _check_number(self, name: str, value: Any) -> None:
        whole = self.kind is int
        right_type = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if right_type and whole and value > LARGEST:
            raise ConfigError(f"{name}: expected a whole number up to {LARGEST:,}, found a larger one")
        if (
            not right_type
            or not math.isfinite(value)
            or (self.least is not None and value < self.least)
            or (self.above is not None and value <= self.above)
            or (self.below is not None and value >= self.below)
            or (self.most is not None and value > self.most)
        ):
            bounds = (("at least", self.least), ("above", self.above), ("below", self.below), ("at most", self.most))
            expected = " and ".join(f"{words} {bound}" for words, bound in bounds if bound is not None)
            kind = " or ".join([*self.words, "a whole number" if whole else "a number"])
            raise ConfigError(f"{name}: expected {f'{kind} {expected}'.strip()}, found {quoted(value)}")


def option(
    default: Any,
    help: str,  # noqa: A002 (what it is)
    *,
    kind: type | None = None,
    values: str | None = None,
    **about: Any,
) -> Any:
    """Return a dataclass field with an `Option`; kind and number of values are by default those of the default."""
    if isinstance(default, tuple):
        values = values or _MANY
        kind = kind or (type(default[0]) if default else str)
    about = {"help": help, "kind": kind or type(default), "values": values or _ONE, **about}
    return dataclasses.field(default=default, metadata={"option": Option(**about)})


def option_of(field: dataclasses.Field[Any]) -> Option:
    """Return the option that a field of a settings dataclass holds."""
    found: Option = field.metadata["option"]
    return found


def documented(kind: Kind) -> Kind:
    """Add the fields' help to the docstring of a settings dataclass, as its Args section."""
    lines = [f"{field.name}: {option_of(field).help}" for field in dataclasses.fields(kind)]
    wrapped = [textwrap.indent(textwrap.fill(line, 108, subsequent_indent="    "), "        ") for line in lines]
    kind.__doc__ = "\n".join([(kind.__doc__ or "").rstrip(), "", "    Args:", *wrapped, "    "])
    return kind


class Checked:
    """Base of the settings dataclasses: the constructor checks every field by its option.

    Raises:
        ConfigError: a setting is of another type or out of range.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = option_of(field).check(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def used(self) -> dict[str, Any]:
        """Return the settings that have an effect beside the others, by name."""
        fields = {field.name: option_of(field).only_with for field in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {
            name: getattr(self, name)
            for name, needed in fields.items()
            if needed is None or getattr(self, needed[0]) == needed[1]
        }
