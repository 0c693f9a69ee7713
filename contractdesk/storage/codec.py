"""Events and commands as msgpack, and back: what journal and tape hold.

Law: ``decode(encode(x)) == x`` for every event and every command. Values typed ``Any`` (parameters of
strategies) come back as plain msgpack has them: a Decimal there is a string afterwards, a tuple a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from contractdesk.domain.commands import Command
from contractdesk.domain.events import Event
from contractdesk.errors import StorageError

_encoder = msgspec.msgpack.Encoder()
_event_decoder = msgspec.msgpack.Decoder(Event)
_command_decoder = msgspec.msgpack.Decoder(Command)


def encode(value: Event | Command) -> bytes:
    """StorageError when it holds what must never be stored, or cannot be."""
    try:
        return _encoder.encode(value)
    except (TypeError, OverflowError, ValueError) as exc:
        raise StorageError(f"{type(value).__name__} cannot be stored: {exc}") from exc


def decode_event(data: bytes) -> Event:
    """StorageError when it is not an event of this version."""
    with _readable():
        event: Event = _event_decoder.decode(data)
    return event


def decode_command(data: bytes) -> Command:
    """StorageError when it is not a command of this version."""
    with _readable():
        command: Command = _command_decoder.decode(data)
    return command


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
        raise StorageError(
            f"a record cannot be read ({exc}): it is damaged, or was written by another version of "
            "contractdesk; read it with the version that the journal's session names"
        ) from exc
