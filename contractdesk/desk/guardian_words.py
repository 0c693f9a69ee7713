"""What a desk and its guardian say to each other: length-prefixed msgpack over an inherited socket pair.

The desk says ``Terms`` first, then beats; the guardian answers each beat and each ``Armed``. The light
half of the guardian: nothing here loads a venue.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec
from msgspec import Struct

from contractdesk.config import GuardianOptions, Mode, ProductKind
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import Side

_HEAD = 4  # bytes of a length
LONGEST = 1 << 20


class Access(Struct, frozen=True, kw_only=True):
    """An account and the key to it. It never shows itself."""

    venue: str
    mode: Mode
    product: ProductKind
    asset: str
    account: str
    key: str
    secret: str
    rest_url: str = ""  # "" = the venue's own
    stream_url: str = ""
    ephemeral: bool = False  # its exchange ends when nobody talks to it any more

    def __repr__(self) -> str:
        return f"Access({self.venue} {self.account!r}, [redacted])"


class Message(Struct, frozen=True, kw_only=True, tag_field="say", tag=True):
    pass


class Terms(Message, frozen=True, kw_only=True):
    """Whom to guard, by which key, and how patiently."""

    desk: str
    bot: str  # stands in the client ids of all orders that are the desk's
    epoch: int
    lock: str  # path of the account's lock
    log: str  # path of the guardian's log
    report: str  # path of what it has done, for the next desk
    options: GuardianOptions
    access: Access


class Listed(Message, frozen=True, kw_only=True):
    """The terms of a contract, before anything names it."""

    instrument: Instrument


class EntryAtRisk(Struct, frozen=True, kw_only=True):
    """An entry that may still fill."""

    client_id: str
    side: Side
    size: Decimal  # contracts that may still be filled
    resting: bool  # the venue has accepted it; else it is on the wire, or its answer was lost
    limit: bool  # it may rest; else it is a market order
    stop_price: Decimal | None


class SymbolAtRisk(Struct, frozen=True, kw_only=True):
    """One symbol in which the desk holds or may come to hold contracts."""

    symbol: str
    size: Decimal  # the desk's own contracts; + long, - short
    external: Decimal  # contracts in the venue's position that are not the desk's: left alone
    guarded: Decimal  # of the own ones, under a stop that the venue has confirmed
    stop_price: Decimal | None  # where they are to be stopped
    entries: tuple[EntryAtRisk, ...] = ()

    @property
    def exposed(self) -> bool:
        """Contracts without a stop, or an entry on the wire that may become some."""
        return self.guarded < abs(self.size) or any(not entry.resting for entry in self.entries)

    @property
    def unattended(self) -> bool:
        """Not to be left alone: an entry that rests may fill when nobody is there to stop it any more."""
        return self.exposed or bool(self.entries)


class Beat(Message, frozen=True, kw_only=True):
    """The desk lives; this is all that is at risk."""

    number: int
    sent_ns: int  # monotonic, which all processes of a host share
    offset_ms: float  # the venue's clock less ours
    symbols: tuple[SymbolAtRisk, ...] = ()


class Armed(Message, frozen=True, kw_only=True):
    """An entry is about to be sent: acknowledged before it is."""

    number: int
    sent_ns: int
    row: SymbolAtRisk  # of its symbol, with the entry and where its fills are to be stopped
    deadline_ns: int  # monotonic: later the venue can no longer accept it


class Goodbye(Message, frozen=True, kw_only=True):
    """The desk closes in order, and leaves this."""

    symbols: tuple[SymbolAtRisk, ...] = ()


class Heard(Message, frozen=True, kw_only=True):
    """The guardian's answer to a beat or an ``Armed``."""

    number: int


FromDesk = Terms | Listed | Beat | Armed | Goodbye
_encoder = msgspec.msgpack.Encoder()
_from_desk = msgspec.msgpack.Decoder(FromDesk)
_from_guardian = msgspec.msgpack.Decoder(Heard)


def frame(message: Message) -> bytes:
    """A message as it goes over the wire."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_HEAD, "big") + body


class Frames:
    """Cuts what arrives into messages; ValueError for a length that nobody sends."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The bodies that are complete now."""
        self._left += data
        while len(self._left) >= _HEAD:
            size = int.from_bytes(self._left[:_HEAD], "big")
            if size > LONGEST:
                raise ValueError(f"a message of {size} bytes")
            if len(self._left) < _HEAD + size:
                return
            body, self._left = self._left[_HEAD : _HEAD + size], self._left[_HEAD + size :]
            yield body


def from_desk(body: bytes) -> FromDesk:
    """msgspec.MsgspecError where it is nothing that a desk says."""
    message: FromDesk = _from_desk.decode(body)
    return message


def from_guardian(body: bytes) -> Heard:
    """msgspec.MsgspecError where it is nothing that a guardian says."""
    return _from_guardian.decode(body)
