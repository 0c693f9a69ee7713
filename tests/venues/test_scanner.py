"""The scanner says exactly what the JSON says, or nothing."""

from __future__ import annotations

import json
import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractdesk.domain.book import Book
from contractdesk.domain.market import pack_levels, unpack_levels
from contractdesk.venues.scanner import DepthDialect, DepthFrame, DepthScanner
from tests.venues.captures import ACROSS_THE_SETTLEMENT, AUGUST_2024, frames

TENTH, THOUSANDTH = Decimal("0.1"), Decimal("0.001")
DATA = {
    "e": "depthUpdate", "E": 1680652800016, "T": 1680652800009, "s": "BTCUSDT",
    "U": 2710249412206, "u": 2710249413621, "pu": 2710249412032,
    "b": [["22300.00", "2.788"], ["27577.40", "0.000"]], "a": [["28153.1", "14"]],
}  # fmt: skip
EXPECTED = DepthFrame(
    2710249412206, 2710249413621, 2710249412032, 1680652800016, 1680652800009,
    bids=b"\x18g\x03\0\0\0\0\0\xe4\n\0\0\0\0\0\0\x3e5\x04\0\0\0\0\0" + bytes(8),
    asks=b"\xbbK\x04\0\0\0\0\0\xb06\0\0\0\0\0\0",
)  # fmt: skip
usdm = DepthScanner("BTCUSDT", TENTH, THOUSANDTH)


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def combined(data: object) -> bytes:
    return compact({"stream": "btcusdt@depth@100ms", "data": data})


def levels(rows: list[list[str]], tick: Decimal, lot: Decimal) -> list[tuple[int, int]]:
    """Decoded the slow way; AssertionError where a value is off its grid."""
    decoded = []
    for price, size in rows:
        ticks, lots = Decimal(price) / tick, Decimal(size) / lot
        assert ticks == int(ticks)
        assert lots == int(lots)
        decoded.append((int(ticks), int(lots)))
    return decoded


def by_json(raw: bytes, tick: Decimal = TENTH, lot: Decimal = THOUSANDTH) -> tuple[object, ...]:
    """What a frame says, from ``json.loads`` and Decimal."""
    data = json.loads(raw.decode(errors="replace"))  # skipped texts may be anything
    data = data.get("data", data)
    assert data["e"] == "depthUpdate"
    numbers = tuple(data[key] for key in ("U", "u", "pu", "E", "T"))
    return (*numbers, levels(data["b"], tick, lot), levels(data["a"], tick, lot))


def plain(frame: DepthFrame) -> tuple[object, ...]:
    numbers = frame.first_id, frame.last_id, frame.prev_id, frame.event_ms, frame.match_ms
    return (*numbers, unpack_levels(frame.bids), unpack_levels(frame.asks))


# -- golden frames --------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [compact(DATA), combined(DATA)], ids=["bare", "combined"])
def test_reads_binance(raw):
    assert usdm.scan(raw) == EXPECTED


def test_reads_coin_margined_sizes_and_the_pair():
    data = DATA | {"s": "BTCUSD_PERP", "ps": "BTCUSD", "b": [["61773.6", "1001"]], "a": []}
    frame = DepthScanner("BTCUSD_PERP", TENTH, Decimal(1)).scan(combined(data))
    assert frame is not None
    assert plain(frame)[5:] == ([(617736, 1001)], [])


def test_reads_bybit():
    raw = (
        b'{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["30247.20",'
        b'"30.028"],["30245.40","0"]],"a":[["30248.70","0.5"]],"u":177400507,"seq":66544703342},"cts":1687940967464}'
    )
    scanner = DepthScanner("BTCUSDT", TENTH, THOUSANDTH, DepthDialect.BYBIT)
    frame = scanner.scan(raw)
    assert frame is not None
    assert plain(frame) == (
        0, 177400507, 0, 1687940967466, 1687940967464,
        [(302472, 30028), (302454, 0)], [(302487, 500)],
    )  # fmt: skip
    assert not frame.snapshot
    whole = scanner.scan(raw.replace(b'"delta"', b'"snapshot"'))
    assert whole is not None
    assert whole.snapshot


def test_reads_okx():
    raw = (
        b'{"arg":{"channel":"books","instId":"BTC-USDT-SWAP"},"action":"snapshot","data":[{"asks":[["8476.98","415",'
        b'"0","13"],["8477","7","0","2"]],"bids":[["8476.97","256","0","12"]],"ts":"1597026383085","checksum":'
        b'-855196043,"prevSeqId":-1,"seqId":123456}]}'
    )
    scanner = DepthScanner("BTC-USDT-SWAP", Decimal("0.01"), Decimal(1), DepthDialect.OKX)
    frame = scanner.scan(raw)
    assert frame is not None
    assert plain(frame) == (
        0, 123456, -1, 1597026383085, 0, [(847697, 256)], [(847698, 415), (847700, 7)],
    )  # fmt: skip
    assert frame.snapshot


@pytest.mark.parametrize(
    ("tick", "price", "ticks"),
    [
        ("0.5", "100.5", 201),
        ("0.25", "10.75", 43),
        ("0.05", "3.15", 63),
        ("10", "25600", 2560),
        ("100.00", "25600.0", 256),
        ("1E+2", "25600", 256),
        ("0.0000001", "0.0000123", 123),
        ("0.00000001", "61837.63000000", 6183763000000),
        ("1", "123456789012", 123456789012),
        ("0.1", "1234567.8", 12345678),
        ("0.1", "12345678.9", 123456789),
        ("0.1", "123456789.10", 1234567891),
        ("0.1", "00000028145.1000000", 281451),
    ],
)
def test_any_tick_will_do(tick, price, ticks):
    scanner = DepthScanner("BTCUSDT", Decimal(tick), Decimal("0.5"))
    frame = scanner.scan(compact(DATA | {"b": [[price, "2.50"]], "a": []}))
    assert frame is not None
    assert unpack_levels(frame.bids) == [(ticks, 5)]


def test_a_frame_longer_than_any_before_is_read_whole():
    rows = [[f"{10_000 + i}.5", f"{i}.001"] for i in range(20_000)]
    frame = usdm.scan(combined(DATA | {"b": rows}))
    assert frame is not None
    assert unpack_levels(frame.bids) == levels(rows, TENTH, THOUSANDTH)
    assert usdm.scan(combined(DATA)) == EXPECTED


def test_a_symbol_may_be_chinese():
    symbol = "币安人生USDT"
    frame = DepthScanner(symbol, TENTH, THOUSANDTH).scan(combined(DATA | {"s": symbol}))
    assert frame == EXPECTED


def test_a_symbol_too_long_for_any_venue_is_refused():
    with pytest.raises(ValueError, match="is longer than"):
        DepthScanner("X" * 100, TENTH, THOUSANDTH)


# -- laws -----------------------------------------------------------------------------------

number = st.integers(0, 10**12).map(str)
price = st.integers(1, 10**9).flatmap(
    lambda n: st.sampled_from([f"{n // 10}.{n % 10}", f"{n // 10}.{n % 10}0", f"{n}", f"{n}.0000"])
)
size = st.integers(0, 10**9).map(lambda n: f"{n // 1000}.{n % 1000:03d}")
rows = st.lists(st.tuples(price, size).map(list), max_size=12)
ids = st.integers(0, 10**15)
extra = st.dictionaries(
    st.sampled_from(["st", "ps", "x", "prev", "bidsX", "checksum", "aVeryLongKeyIndeed"]),
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text("abc µ@._-", max_size=9)),
    max_size=3,
)
messages = st.builds(
    lambda first, last, prev, sent, made, bids, asks, more: {
        **DATA, "U": first, "u": last, "pu": prev, "E": sent, "T": made, "b": bids, "a": asks, **more
    },
    ids, ids, ids, ids, ids, rows, rows, extra,
)  # fmt: skip


@settings(max_examples=300)
@given(data=messages, order=st.randoms(use_true_random=False), wrapped=st.booleans())
def test_says_what_json_says_in_any_order_of_keys(data, order, wrapped):
    keys = list(data)
    order.shuffle(keys)
    shuffled = {key: data[key] for key in keys}
    raw = compact(shuffled)
    if wrapped:
        outer = [("stream", "s"), ("data", shuffled)]
        order.shuffle(outer)
        raw = compact(dict(outer))
    frame = usdm.scan(raw)
    assert frame is not None
    assert plain(frame) == by_json(raw)


def assert_honest(raw: bytes) -> None:
    """None, or exactly what the JSON says."""
    frame = usdm.scan(raw)
    if frame is not None:
        assert plain(frame) == by_json(raw)


@settings(max_examples=500)
@given(data=st.data())
def test_a_damaged_frame_is_read_right_or_not_at_all(data):
    raw = bytearray(combined(DATA))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b'0123456789.,:"[]{}-e\\ ')))
    assert_honest(bytes(raw))


@settings(max_examples=500)
@given(data=st.data())
def test_cut_and_pasted_frames_are_read_right_or_not_at_all(data):
    raw = combined(DATA)
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(raw)), st.integers(0, len(raw)))))
    place = data.draw(st.integers(0, len(raw)))
    assert_honest(raw[:place] + raw[start:end] + raw[place:])
    assert_honest(raw[:start] + raw[end:])


@given(st.binary(max_size=200))
def test_noise_is_not_understood(noise):
    assert usdm.scan(noise) is None


def test_no_beginning_of_a_frame_is_a_frame():
    raw = combined(DATA)
    assert [length for length in range(len(raw)) if usdm.scan(raw[:length])] == []
    assert usdm.scan(raw + b"\n") is None


# -- what is left to the ordinary codec -------------------------------------------------------


def without(key: str) -> dict[str, object]:
    return {name: value for name, value in DATA.items() if name != key}


@pytest.mark.parametrize(
    "raw",
    [
        json.dumps(DATA).encode(),  # white space
        *(compact(without(key)) for key in DATA),
        compact(DATA | {"e": "bookTicker"}),
        compact(DATA | {"s": "ETHUSDT"}),
        compact(DATA | {"s": "BTCUSDTX"}),
        compact(DATA | {"s": "BTCUSD"}),
        compact(DATA | {"E": 1.5}),
        compact(DATA | {"E": "soon"}),
        compact(DATA | {"E": None}),
        compact(DATA | {"u": 10**19}),
        compact(DATA | {"b": None}),
        compact(DATA | {"a": [["0", "1"]]}),  # a price that nobody has
        compact(DATA | {"b": [["-28145.1", "1"]]}),
        compact(DATA | {"b": [["28145.1", "-1"]]}),
        compact(DATA | {"b": "28145.10"}),
        compact(DATA | {"b": [["1.05", "1"]]}),  # off the tick
        compact(DATA | {"b": [["1", "1.0005"]]}),  # off the lot
        compact(DATA | {"b": [[1, 1]]}),
        compact(DATA | {"b": [["1", "1", "1"]]}),
        compact(DATA | {"b": [["1"]]}),
        compact(DATA | {"b": [[]]}),
        compact(DATA | {"b": [["", "1"]]}),
        compact(DATA | {"b": [[".1", "1"]]}),
        compact(DATA | {"b": [["1.", "1"]]}),
        compact(DATA | {"b": [["-1", "1"]]}),
        compact(DATA | {"b": [["1e3", "1"]]}),
        compact(DATA | {"b": [["123456789012345678", "1"]]}),  # beyond 64 bits with its decimals
        compact(DATA | {"b": [["NaN", "1"]]}),
        compact(DATA | {"new": {"nested": 1}}),
        compact(DATA | {"new": [1]}),
        compact(DATA | {"new": 'es"caped'}),
        compact(DATA).replace(b'"b":', b'"b":[],"b":'),  # which one?
        compact(DATA).replace(b"2710249412206", b"02710249412206"),
        compact({"b": DATA["b"], "data": without("b")}),  # a mixture of outer and inner
        compact({"data": DATA, "arg": {"st": 1}, "u": 1}),
        compact([DATA]),
        b"{}",
        b"",
    ],
    ids=lambda raw: raw.decode()[-60:] or "nothing",
)
def test_what_is_not_exactly_a_depth_frame_is_none(raw):
    assert usdm.scan(raw) is None


def test_a_failed_frame_leaves_no_trace_in_the_next():
    usdm.scan(compact(DATA)[:-30])
    usdm.scan(compact({"type": "snapshot", "ts": 5, "cts": 6}))
    assert usdm.scan(compact(DATA)) == EXPECTED


def test_only_bytes_are_scanned():
    with pytest.raises(TypeError):
        usdm.scan(compact(DATA).decode())


# -- the recordings ---------------------------------------------------------------------------


@pytest.mark.recording
@pytest.mark.parametrize(
    ("files", "symbol", "lot"),
    [
        (ACROSS_THE_SETTLEMENT, "BTCUSDT", THOUSANDTH),
        ((AUGUST_2024,), "BTCUSDT", THOUSANDTH),
        (("binance_coinm_btcusd_perp_20240808.gz",), "BTCUSD_PERP", Decimal(1)),
    ],
    ids=["2023", "2024", "coin-margined"],
)
def test_reads_every_recorded_depth_frame_as_json_does(recordings, files, symbol, lot):
    scanner = DepthScanner(symbol, TENTH, lot)
    seen = 0
    for raw in frames(recordings, *files):
        frame = scanner.scan(raw)
        if b'"depthUpdate"' not in raw:
            assert frame is None
            continue
        assert frame is not None
        assert plain(frame) == by_json(raw, TENTH, lot)
        seen += 1
    assert seen > 5_000


@pytest.mark.recording
def test_no_recorded_frame_survives_a_flipped_byte_unnoticed(recordings):
    noise = random.Random(3)  # noqa: S311  (damage, not a secret)
    for number, raw in enumerate(frames(recordings, ACROSS_THE_SETTLEMENT[0])):
        if number > 6_000:
            break
        damaged = bytearray(raw)
        damaged[noise.randrange(len(raw))] ^= 1 << noise.randrange(8)
        assert_honest(bytes(damaged))


@pytest.mark.recording
def test_the_recorded_book_is_the_one_kept_by_json_and_never_crossed(recordings):
    book, kept = Book(), ({}, {})
    for raw in frames(recordings, *ACROSS_THE_SETTLEMENT):
        if b'"lastUpdateId"' in raw:
            said = json.loads(raw)
            sides = [levels(said[side], TENTH, THOUSANDTH) for side in ("bids", "asks")]
            book.apply_snapshot(*map(pack_levels, sides), said["lastUpdateId"])
            kept = tuple(map(dict, sides))
        frame = usdm.scan(raw)
        if frame is None or frame.last_id <= book.update_id:
            continue
        assert frame.prev_id == book.update_id or frame.first_id <= book.update_id  # or the splice
        book.apply(frame.bids, frame.asks, frame.last_id)
        assert not book.crossed
        for side, packed in zip(kept, (frame.bids, frame.asks), strict=True):
            side.update(unpack_levels(packed))
    bids, asks = ({tick: lots for tick, lots in side.items() if lots} for side in kept)
    assert book.levels() == (sorted(bids.items(), reverse=True), sorted(asks.items()))
    assert len(bids) > 2_000
