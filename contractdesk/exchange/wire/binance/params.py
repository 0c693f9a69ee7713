"""Typed reading of a request's parameters; what is missing or malformed gets the venue's code."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TypeVar
from urllib.parse import parse_qsl

from contractdesk.exchange.wire.binance.errors import ApiError, invalid, missing

E = TypeVar("E", bound=Enum)
MAX_CLIENT_ID = 36


class Params:
    """The parameters of query and body together; on a clash the query wins, as at the venue."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    @classmethod
    def of(cls, query: str, body: str) -> Params:
        """From the encoded strings as they were sent."""
        return cls(dict([*parse_qsl(body), *parse_qsl(query)]))

    def text(self, name: str) -> str | None:
        """The raw value; None when absent or empty."""
        return self._values.get(name) or None

    def need(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise missing(name)
        return value

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return int(value)
        except ValueError:
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'.") from None

    def need_integer(self, name: str) -> int:
        value = self.integer(name)
        if value is None:
            raise missing(name)
        return value

    def limit(self, default: int, most: int) -> int:
        """``limit``, clamped to what the venue serves; below 1 is an error."""
        value = self.integer("limit")
        if value is None:
            return default
        if value < 1:
            raise invalid("limit")
        return min(value, most)

    def decimal(self, name: str) -> Decimal | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'.") from None
        if not number.is_finite():
            raise ApiError(-1100, f"Illegal characters found in parameter '{name}'.")
        return number

    def flag(self, name: str) -> bool | None:
        match (self.text(name) or "").lower():
            case "":
                return None
            case "true":
                return True
            case "false":
                return False
            case _:
                raise invalid(name)

    def choice(self, name: str, kind: type[E], code: int = -1130) -> E | None:
        """A member of ``kind`` by its value; ``code`` is the venue's for one that it does not know."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return kind(value.upper())
        except ValueError:
            raise (invalid(name) if code == -1130 else ApiError(code)) from None

    def need_choice(self, name: str, kind: type[E], code: int = -1130) -> E:
        member = self.choice(name, kind, code)
        if member is None:
            raise missing(name)
        return member
