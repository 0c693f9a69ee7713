"""Depth as it was recorded: what follows what, what is left out, and when it is heard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from contractdesk.errors import StorageError
from contractdesk.history import import_, load
from contractdesk.replay.contracts import contract_of
from contractdesk.replay.depth_rows import Message, What, read_depth
from contractdesk.replay.recorded import RecordedBook
from contractdesk.storage.dataset import Dataset
from tests.history.dumps import BTC, T0_MS, gzipped

MS = 10**6
BEHIND_MS = 1_270  # the local clock's, as in the captures of 2024
LATE_MS = 8  # the feed, at least


def line(ms: int, stream: str, late_ms: int = LATE_MS, **data: object) -> str:
    push = {"stream": f"btcusdt@{stream}", "data": {"E": T0_MS + ms, "T": T0_MS + ms, "s": "BTCUSDT", **data}}
    return f"{T0_MS + ms - BEHIND_MS + late_ms}000000 {json.dumps(push)}"


def delta(number: int, previous: int, bids: Sequence[tuple[str, str]] = (), late_ms: int = LATE_MS) -> str:
    """Message ``number``, 50 ms after the one before; it ends at id 10 x number."""
    ids = {"U": number * 10 - 5, "u": number * 10, "pu": previous * 10}
    return line(number * 50, "depth@0ms", late_ms, **ids, b=list(bids), a=[])


def snapshot(number: int, ms: int) -> str:
    """What messages up to ``number`` have made, read at ``ms`` and heard 60 ms later."""
    told = {"lastUpdateId": number * 10, "T": T0_MS + ms, "bids": [["99.9", "5"]], "asks": [["100.1", "7"]]}
    return f"{T0_MS + ms - BEHIND_MS + 60}000000 {json.dumps(told)}"


def trade(ms: int) -> str:
    return line(ms, "trade", t=ms + 1, p="100.0", q="1", X="MARKET", m=False)


def messages(folder: Path, lines: list[str], *, recorded: bool = True) -> list[Message]:
    file = gzipped(folder / "a.gz", [trade(0), *lines])
    for kind in ("trades", "depth"):
        import_(file, kind=kind, root=folder, **BTC)  # type: ignore[arg-type]
    trades, depth = (dataset(folder, kind) for kind in ("trades", "depth"))
    terms = contract_of(trades.files()[0].terms)
    read = read_depth(depth, terms, feed_ns=3 * MS, recorded=recorded, beside=trades)
    return [message for batch in read for message in batch]


def dataset(folder: Path, kind: str) -> Dataset:
    return load(BTC["symbol"], kind=kind, root=folder).dataset


def test_a_snapshot_that_was_heard_late_is_where_the_deltas_go_on(tmp_path: Path) -> None:
    """The snapshot has messages 1 and 2; 3 was heard before it, 4 after it."""
    bids = [("99.9", "5")], [("99.9", "6")], [("99.9", "8")], [("99.8", "1")]
    lines = [delta(number, number - 1, bids[number - 1]) for number in (1, 2, 3)]
    told = messages(tmp_path, [*lines, snapshot(2, 110), delta(4, 3, bids[3])])
    assert [(each.what, each.last_id) for each in told] == [
        (What.SNAPSHOT, 20), (What.DELTA, 30), (What.DELTA, 40),
    ]  # fmt: skip
    recorded = RecordedBook(iter([told]))
    recorded.catch_up(told[-1].venue_ns + 1)
    assert recorded.book.levels() == ([(999, 8_000), (998, 1_000)], [(1001, 7_000)])


def test_a_message_that_was_lost_makes_the_book_invalid_until_the_next_snapshot(tmp_path: Path) -> None:
    lines = [snapshot(1, 60), delta(2, 1), delta(4, 3), delta(5, 4), snapshot(5, 260), delta(6, 5)]
    told = messages(tmp_path, lines)
    assert [(each.what, each.last_id) for each in told] == [
        (What.SNAPSHOT, 10), (What.DELTA, 20), (What.INVALID, 40), (What.SNAPSHOT, 50), (What.DELTA, 60),
    ]  # fmt: skip
    assert told[2].note == "message 40 does not follow 20"
    recorded = RecordedBook(iter([told]))
    recorded.catch_up(told[2].venue_ns)  # the moment itself: trades of it come first
    assert recorded.book.valid
    recorded.catch_up(told[2].venue_ns + 1)
    assert not recorded.book.valid


def test_recorded_delays_are_shifted_as_those_of_the_trades(tmp_path: Path) -> None:
    """The trade took 8 ms by clocks that differ by 1.27 s: its 8 stand for the 3 that are the least."""
    told = messages(tmp_path, [snapshot(1, 60), delta(3, 1), delta(4, 3, late_ms=20), delta(5, 4, late_ms=1)])
    late_ms = [(each.heard_ns - each.venue_ns) / MS for each in told]
    assert late_ms[:3] == [55, 3, 15]  # 60 - 5, 8 - 5, 20 - 5
    assert [each.venue_ns for each in told[1:]] == [(T0_MS + ms) * MS for ms in (150, 200, 250)]
    assert told[3].heard_ns == told[3].venue_ns + 1  # 1 - 5: nothing is heard before it happened


def test_a_constant_delay_and_no_two_at_once(tmp_path: Path) -> None:
    told = messages(tmp_path, [snapshot(1, 60), delta(2, 1), delta(3, 2)], recorded=False)
    assert [(each.heard_ns - T0_MS * MS) / MS for each in told] == [63, 103, 153]
    heard = [each.heard_ns for each in told]
    assert heard == sorted(set(heard))


def test_any_size_of_batches_gives_the_same_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bids = [(f"{99 - n / 10:.1f}", "1") for n in range(7)]
    lines = [snapshot(1, 60), *(delta(n, n - 1, bids[: n % 7]) for n in range(2, 40))]
    whole = messages(tmp_path, lines)
    assert len(whole) == 39
    scan = Dataset.scan
    monkeypatch.setattr(Dataset, "scan", lambda self, columns=None, rows=5: scan(self, columns, 5))
    assert messages(tmp_path, lines) == whole


def test_trades_are_no_depth(tmp_path: Path) -> None:
    messages(tmp_path, [snapshot(1, 60)])
    trades = dataset(tmp_path, "trades")
    terms = contract_of(trades.files()[0].terms)
    with pytest.raises(StorageError, match="is no depth"):
        next(read_depth(trades, terms, feed_ns=0, recorded=False, beside=trades))
