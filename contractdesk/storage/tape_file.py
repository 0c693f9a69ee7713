"""The tape's files: one segment each, a header and then blocks of market inputs.

A segment is MAGIC, then frames: length and crc32 of the content (u32 each, little-endian), content.
The first frame's content is the header as msgpack; each other one is a block: zlib over a msgpack
array of (seq, event as msgpack). A file may end in the middle of a frame: the process was killed.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from contractdesk.errors import StorageDamaged, StorageError

MAGIC = b"CDTAPE1\n"
SCHEMA = 1
_frame = struct.Struct("<II")
_BLOCK = zlib.compress(b"", 1)[:2]  # with what the content of each block begins
_NAME = re.compile(r"(\d{20})\.tape")

Item = tuple[int, bytes]  # an input's number, the input as msgpack
_items = msgspec.msgpack.Decoder(list[Item])


class TapeHeader(Struct, frozen=True, kw_only=True):
    """From where, and with what, the inputs of a segment can be fed again."""

    first_seq: int  # no input of the segment has a lower number
    opened_ns: int
    checkpoint: bytes = b""  # the engine's state before ``first_seq``; empty: an earlier segment has it
    settings: bytes = b""  # the engine's configuration, as its owner encodes it
    sources: tuple[str, ...] = ()  # sha256 of the strategies that run; the journal has the texts
    schema: int = SCHEMA


class TornTail(Struct, frozen=True):
    """A segment that ends in the middle of a frame."""

    path: Path
    kept_bytes: int  # up to here it is sound
    lost_bytes: int


def segment_path(folder: Path, first_seq: int) -> Path:
    return folder / f"{first_seq:020d}.tape"


def segments(folder: Path) -> list[Path]:
    """The segments of a folder, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))


def first_seq_of(path: Path) -> int:
    return int(path.stem)


def encode_header(header: TapeHeader) -> bytes:
    return MAGIC + _framed(msgspec.msgpack.encode(header))


def encode_block(items: Sequence[Item]) -> bytes:
    return _framed(zlib.compress(msgspec.msgpack.encode(items), 1))


def read_header(path: Path) -> TapeHeader:
    """StorageError when the segment is newer than this code, or is none; ``EOFError`` when it is torn."""
    with path.open("rb") as file:
        return _read_header(file, path)


def read_items(path: Path, torn: list[TornTail]) -> Iterator[Item]:
    """The inputs of a segment, block by block; notes in ``torn`` when its end is missing.

    StorageError where something is damaged before the end.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            _read_header(file, path)
        except EOFError:
            torn.append(TornTail(path, 0, size))
            return
        while (place := file.tell()) < size:
            content = _read_frame(file, path, size)
            if content is None:
                torn.append(TornTail(path, place, size - place))
                return
            yield from _block(content, path, place)


def last_seq_of(path: Path) -> int:
    """The number of the last input of a segment, 0 where it has none; decodes its last block only."""
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            _read_header(file, path)
        except EOFError:
            return 0
        for place in reversed(_frame_places(file, size)):
            file.seek(place)
            content = _read_frame(file, path, size)
            if content is not None:
                return _block(content, path, place)[-1][0]
    return 0


def _frame_places(file: BinaryIO, size: int) -> list[int]:
    """Where the frames from here on begin, by their lengths alone."""
    places = []
    while (place := file.tell()) + _frame.size <= size:
        places.append(place)
        length, _ = _frame.unpack(file.read(_frame.size))
        file.seek(length, os.SEEK_CUR)
    return places


def _framed(content: bytes) -> bytes:
    return _frame.pack(len(content), zlib.crc32(content)) + content


def _read_header(file: BinaryIO, path: Path) -> TapeHeader:
    magic = file.read(len(MAGIC))
    if magic != MAGIC[: len(magic)]:
        raise StorageError(f"{path} is no tape of this version of contractdesk: move it away")
    content = _read_frame(file, path, path.stat().st_size)
    if content is None:
        raise EOFError
    try:
        header = msgspec.msgpack.decode(content, type=TapeHeader)
    except msgspec.MsgspecError as exc:
        raise _damaged(path, len(MAGIC), str(exc)) from exc
    if header.schema > SCHEMA:
        raise StorageError(
            f"tape {path} has schema {header.schema}, this contractdesk knows {SCHEMA}: update it"
        )
    return header


def _read_frame(file: BinaryIO, path: Path, size: int) -> bytes | None:
    """The content of the next frame; None when it is the last one and is not whole."""
    place = file.tell()
    head = file.read(_frame.size)
    if len(head) < _frame.size:
        return None
    length, crc = _frame.unpack(head)
    end = place + _frame.size + length
    if end <= size:
        content = file.read(length)
        if zlib.crc32(content) == crc:
            return content
        if end < size:
            raise _damaged(path, place, "checksum")
    if _goes_on(file, place + _frame.size, size):
        raise _damaged(path, place, "length")
    return None  # the blocks of the last write did not all reach the disk


def _goes_on(file: BinaryIO, place: int, size: int) -> bool:
    """A whole block begins somewhere after ``place``: what is before it was no last write, but is damaged."""
    file.seek(place)
    rest = file.read(size - place)
    at = rest.find(_BLOCK, _frame.size)
    while at >= 0:
        length, crc = _frame.unpack_from(rest, at - _frame.size)
        if at + length <= len(rest) and zlib.crc32(memoryview(rest)[at : at + length]) == crc:
            return True
        at = rest.find(_BLOCK, at + 1)
    return False


def _block(content: bytes, path: Path, place: int) -> list[Item]:
    try:
        return _items.decode(zlib.decompress(content))
    except (zlib.error, msgspec.MsgspecError) as exc:
        raise _damaged(path, place, str(exc)) from exc


def _damaged(path: Path, place: int, detail: str) -> StorageDamaged:
    return StorageDamaged(
        f"tape {path} is damaged at byte {place} ({detail}); replay from the next segment on, "
        "or move the file away"
    )
