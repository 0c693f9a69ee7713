"""What can be tuned, as a person handles it: unit, range, words; and back to plain values. Pure."""

from __future__ import annotations

import math
import re
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

import msgspec
from msgspec import Struct

from contractdesk.errors import ConfigError
from contractdesk.panels import formats
from contractdesk.panels.tuning_face import DESK, Running
from contractdesk.risk.meanings import SETTINGS
from contractdesk.risk.settings import RANGES, RiskSettings
from contractdesk.strategy.params import Param, plain

STEEPEST: Final = 12.0
LONGEST_TEXT: Final = 200  # characters of a free text
_NUMERIC: Final = re.compile(r"[+-]?\d*\.?\d+(?:[eE][+-]?\d+)?")
_UNITS: Final = ("_s", "_ms", "_per_s")  # at the end of a name: the unit says it


class Kind(Enum):
    NUMBER = "number"
    TOGGLE = "toggle"
    CHOICE = "choice"
    TEXT = "text"


class Tunable(Struct, frozen=True, kw_only=True):
    """One parameter or setting. ``low``, ``high`` and ``default`` are in the unit that is shown."""

    owner: str  # a strategy's id, or DESK
    name: str
    title: str
    group: str  # "" for a parameter of a strategy
    doc: str
    kind: Kind
    unit: str = ""
    percent: bool = False  # shown times 100
    whole: bool = False  # an int
    real: bool = False  # a float, not a Decimal
    low: Decimal | None = None
    high: Decimal | None = None
    zero_is_off: bool = False  # 0 means that there is no limit
    default: Any = None
    choices: tuple[Any, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.owner}/{self.name}"

    def parse(self, given: object) -> Any:
        """What a control says, as a plain value; ConfigError names what is permitted.

        A toggle says true or false, a choice its number, all others text in the unit that is shown.
        """
        match self.kind:
            case Kind.TOGGLE if isinstance(given, bool):
                return given
            case Kind.CHOICE if type(given) is int and 0 <= given < len(self.choices):
                return self.choices[given]
            case Kind.NUMBER if isinstance(given, str):
                return self._number(given)
            case Kind.TEXT if isinstance(given, str) and len(given) <= LONGEST_TEXT:
                return given.strip()
            case _:
                raise self._refusal(given)

    def same(self, one: Any, other: Any) -> bool:
        """2.5 and 2.50 are the same."""
        if self.kind is Kind.NUMBER and one is not None and other is not None:
            return Decimal(str(one)) == Decimal(str(other))
        return bool(one == other)

    def text(self, value: Any) -> str:
        """Without its unit, as it stands in the control."""
        match value:
            case None:
                return formats.NONE
            case bool():
                return "on" if value else "off"
            case int() | float() | Decimal():
                return self._digits(Decimal(str(value)))
            case str() if self.kind is Kind.NUMBER and _NUMERIC.fullmatch(value):
                return self._digits(Decimal(value))
            case _:
                return str(value)  # also of an old change, when it was of another type

    def said(self, value: Any) -> str:
        """With its unit: ``12 bars``, ``3 % of equity``, ``no limit``."""
        if self.is_off(value):
            return "no limit"
        unit = self.unit if value is not None and self.kind is Kind.NUMBER else ""
        return f"{self.text(value)} {unit}".strip() or "empty"

    def is_off(self, value: Any) -> bool:
        """True where the value is the one that limits nothing."""
        return self.zero_is_off and value is not None and self.same(value, 0)

    @property
    def permitted(self) -> str:
        """``2 to 500 bars``; ``""`` where everything is."""
        if self.kind is not Kind.NUMBER:
            return ""
        low, high = (None if each is None else f"{each.normalize():,f}" for each in (self.low, self.high))
        if low is not None and high is not None:
            return f"{low} to {high} {self.unit}".strip()
        if low is not None or high is not None:
            return f"{'at least' if high is None else 'at most'} {low or high} {self.unit}".strip()
        return ""

    @property
    def curve(self) -> float:
        """The power by which a slider's way becomes a value, so that its default lies in the middle."""
        if self.low is None or self.high is None or self.low == self.high:
            return 1.0
        share = float((Decimal(str(self.default)) - self.low) / (self.high - self.low))
        if share <= 0:
            return 3.0
        return min(STEEPEST, max(1.0, math.log(share) / math.log(0.5))) if share < 1 else 1.0

    def _digits(self, value: Decimal) -> str:
        shown = value * 100 if self.percent else value
        return f"{shown.normalize():f}" if shown else "0"

    def _number(self, given: str) -> Any:
        try:
            shown = Decimal(given.strip().replace(",", "").replace(formats.MINUS, "-"))
        except InvalidOperation:
            raise self._refusal(given) from None
        if not shown.is_finite() or not self._within(shown):
            raise self._refusal(given)
        value = shown / 100 if self.percent else shown
        if self.whole:
            if value != int(value):
                raise self._refusal(given)
            return int(value)
        return float(value) if self.real else f"{value.normalize():f}"

    def _within(self, shown: Decimal) -> bool:
        return (self.low is None or shown >= self.low) and (self.high is None or shown <= self.high)

    def _refusal(self, given: object) -> ConfigError:
        whole = "a whole number, " if self.whole else ""
        words = {Kind.TOGGLE: "on or off", Kind.CHOICE: "one of its choices", Kind.TEXT: "a text"}
        must = words.get(self.kind) or f"{whole}{self.permitted}" or "a number"
        return ConfigError(f"{self.title} = {str(given)[:40]} is not permitted: it must be {must}")


def of_strategy(row: Running) -> list[Tunable]:
    """Its parameters, in the order in which they are declared."""
    return [_of_param(row.strategy_id, name, param) for name, param in row.declared.items()]


def of_desk() -> list[Tunable]:
    """The risk settings, group by group."""
    defaults, fields = RiskSettings(), {row.name: row.type for row in msgspec.structs.fields(RiskSettings)}
    return [_of_setting(name, fields[name], getattr(defaults, name)) for name in SETTINGS]


def _of_param(owner: str, name: str, param: Param[Any]) -> Tunable:
    kind = _kind(type(param.default), chosen=bool(param.choices))
    return Tunable(
        owner=owner,
        name=name,
        title=name.replace("_", " "),
        group="",
        doc=param.doc,
        kind=kind,
        unit=param.unit,
        whole=type(param.default) is int,
        real=type(param.default) is float,
        low=_decimal(param.ge) if kind is Kind.NUMBER else None,
        high=_decimal(param.le) if kind is Kind.NUMBER else None,
        default=plain(param.default),
        choices=tuple(plain(choice) for choice in param.choices),
    )


def _of_setting(name: str, kind: Any, default: Any) -> Tunable:
    setting, times = SETTINGS[name], 100 if SETTINGS[name].percent else 1
    low, high = RANGES.get(name, (None, None))
    choices = tuple(plain(each) for each in kind) if issubclass(kind, Enum) else ()
    found = _kind(kind, chosen=bool(choices))
    return Tunable(
        owner=DESK,
        name=name,
        title=_title(name),
        group=setting.group,
        doc=setting.doc,
        kind=found,
        unit=f"% {setting.unit}".strip() if setting.percent else setting.unit,
        percent=setting.percent,
        whole=kind is int,
        real=kind is float,
        zero_is_off=setting.zero_is_off,
        low=None if low is None else Decimal(low) * times,
        high=None if high is None else Decimal(high) * times,
        default=default * times if found is Kind.NUMBER else plain(default),
        choices=choices,
    )


def _kind(kind: type, *, chosen: bool) -> Kind:
    if kind is bool:
        return Kind.TOGGLE
    if chosen:
        return Kind.CHOICE
    return Kind.TEXT if kind is str else Kind.NUMBER


def _title(name: str) -> str:
    for ending in sorted(_UNITS, key=len, reverse=True):
        name = name.removesuffix(ending)
    return name.replace("_", " ")


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
