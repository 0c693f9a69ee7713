"""The terms under which recorded ticks and lots are to be read; they rest in each file that holds any."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from hashlib import sha256
from typing import Self

import msgspec
from msgspec import Struct

from contractdesk.domain.instrument import ContractKind, Instrument
from contractdesk.errors import StorageError

ONE = Decimal(1)
UNKNOWN = ""


class MarketKind(Enum):
    """What is traded; ``SPOT`` only occurs in recordings."""

    LINEAR = "linear"
    INVERSE = "inverse"
    SPOT = "spot"


class Terms(Struct, frozen=True, kw_only=True):
    """What turns ticks into quote per base and lots into contracts (spot: base units)."""

    venue: str
    symbol: str  # ccxt's unified symbol
    venue_symbol: str
    tick_size: Decimal
    lot_size: Decimal
    kind: MarketKind = MarketKind.LINEAR
    contract_size: Decimal = ONE  # base units (linear) or quote units (inverse) a contract
    base: str = UNKNOWN
    quote: str = UNKNOWN
    settle: str = UNKNOWN

    def __post_init__(self) -> None:
        for name in ("tick_size", "lot_size", "contract_size"):
            value: Decimal = getattr(self, name)
            if not value.is_finite() or value <= 0:
                raise ValueError(f"{name} {value} of {self.symbol}: it must be positive")

    @classmethod
    def of(cls, instrument: Instrument) -> Self:
        """The part of an instrument's terms that its recordings depend on."""
        linear = instrument.kind is ContractKind.LINEAR
        return cls(
            venue=instrument.venue,
            symbol=instrument.symbol,
            venue_symbol=instrument.venue_symbol,
            tick_size=instrument.tick_size,
            lot_size=instrument.lot_size,
            kind=MarketKind.LINEAR if linear else MarketKind.INVERSE,
            contract_size=instrument.contract_size,
            base=instrument.base,
            quote=instrument.quote,
            settle=instrument.settle,
        )

    @property
    def digest(self) -> str:
        """Eight characters that name what the numbers depend on: files of other terms are other files."""
        steps = (self.tick_size, self.lot_size, self.contract_size)
        told = "|".join([*(format(step.normalize(), "f") for step in steps), self.kind.value])
        return sha256(told.encode()).hexdigest()[:8]

    def encode(self) -> bytes:
        """As JSON; numerically equal terms encode alike."""
        steps = {name: getattr(self, name).normalize() for name in ("tick_size", "lot_size", "contract_size")}
        plain = {name: format(step, "f") for name, step in steps.items()}
        return msgspec.json.encode({**msgspec.to_builtins(self), **plain}, order="sorted")


def decode_terms(data: bytes) -> Terms:
    """StorageError when it is none."""
    try:
        return msgspec.json.decode(data, type=Terms)
    except msgspec.MsgspecError as exc:
        raise StorageError(f"these are no terms of an instrument: {exc}") from exc
