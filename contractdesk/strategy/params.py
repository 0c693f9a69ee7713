"""Parameters of strategies: typed by their default, ranged, checked on every way in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Generic, Self, TypeVar, cast, overload

from contractdesk.errors import ConfigError

T = TypeVar("T")
PLAIN_TYPES = (bool, int, float, Decimal, str, Enum)


class Param(Generic[T]):
    """One tunable value of a strategy: ``lookback = Param(20, ge=2, le=500, doc="bars")``.

    The type of ``default`` (bool, int, float, Decimal, str or an Enum) is the type of the
    parameter; ``ge`` and ``le`` are inclusive; ``choices`` lists the permitted values; ``unit``
    stands behind the value on the tuning panel. On an instance the attribute is the value itself,
    read-only: values change by ``tune()``.
    """

    def __init__(
        self,
        default: T,
        *,
        ge: T | None = None,
        le: T | None = None,
        doc: str = "",
        unit: str = "",
        choices: Iterable[T] | None = None,
    ) -> None:
        if not isinstance(default, PLAIN_TYPES):
            raise ConfigError(f"a Param is a bool, int, float, Decimal, str or Enum, not {default!r}")
        self.name = "a parameter"
        self.ge, self.le, self.doc, self.unit = ge, le, doc, unit
        self.choices = self._default_choices(default) if choices is None else tuple(choices)
        self.default: T = default
        self.default = self.parse(default)

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        values: dict[str, T] = vars(instance)["_values"]
        return values[self.name]

    def __set__(self, instance: object, value: T) -> None:
        raise ConfigError(f"{self.name} is a parameter: change it with tune({self.name}={value!r})")

    def parse(self, value: object) -> T:
        """``value`` as the parameter's type; ConfigError names what is permitted."""
        parsed = self._convert(value)
        low, high = self.ge, self.le
        # The bounds have the parameter's own type, which a TypeVar cannot promise to be ordered.
        too_low = low is not None and parsed < low  # type: ignore[operator]
        too_high = high is not None and parsed > high  # type: ignore[operator]
        if too_low or too_high or (self.choices and parsed not in self.choices):
            raise self._bad(value)
        return parsed

    @property
    def permitted(self) -> str:
        """The permitted values in words: ``an int from 2 to 500``."""
        if self.choices:
            return "one of " + ", ".join(repr(plain(choice)) for choice in self.choices)
        kind = type(self.default).__name__
        words = f"an {kind}" if kind == "int" else f"a {kind}"
        if self.ge is not None and self.le is not None:
            return f"{words} from {self.ge} to {self.le}"
        if self.ge is not None:
            return f"{words} of at least {self.ge}"
        return f"{words} of at most {self.le}" if self.le is not None else words

    def _convert(self, value: object) -> T:
        kind: Any = type(self.default)
        parsed: Any
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            parsed = value
        elif isinstance(value, bool) or kind is bool:
            raise self._bad(value)
        else:
            parsed = self._cast(kind, value)
        if isinstance(parsed, (float, Decimal)) and not math.isfinite(parsed):
            raise self._bad(value)
        return cast("T", parsed)

    def _cast(self, kind: Any, value: object) -> T:
        """From what a journal or a slider gives: strings for decimals and enums, floats for ints."""
        try:
            made: Any = kind(str(value)) if kind is Decimal else kind(value)
        except (ValueError, TypeError, OverflowError, InvalidOperation) as exc:
            raise self._bad(value) from exc
        if kind is int and made != value:
            raise self._bad(value)
        return cast("T", made)

    def _bad(self, value: object) -> ConfigError:
        return ConfigError(f"{self.name}={value!r} is not permitted: it must be {self.permitted}")

    @staticmethod
    def _default_choices(default: T) -> tuple[T, ...]:
        return tuple(type(default)) if isinstance(default, Enum) else ()


def plain(value: object) -> Any:
    """A parameter's value as JSON keeps it: decimals as strings, enums as their values."""
    match value:
        case Enum():
            return value.value
        case Decimal():
            return str(value)
        case _:
            return value


def declared(owner: type) -> dict[str, Param[Any]]:
    """The parameters of a class by name, those of its bases first."""
    found: dict[str, Param[Any]] = {}
    for base in reversed(owner.__mro__):
        found |= {name: item for name, item in vars(base).items() if isinstance(item, Param)}
    return found


def checked(owner: type, given: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """``current`` with ``given`` in it, each value parsed; ConfigError for a name or a value."""
    known = declared(owner)
    for name in given:
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise ConfigError(f"{owner.__name__} has no parameter {name!r}; it has: {names}")
    return {
        name: param.parse(given[name]) if name in given else current.get(name, param.default)
        for name, param in known.items()
    }
