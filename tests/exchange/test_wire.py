"""The Binance dialect without sockets: signatures, parameters, numbers, streams, limits, codes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.exchange.limits import AccountLimits, AddressLimits, Outcome, Quota
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.model import BookMoved, Reason, Refused
from contractdesk.exchange.sockets import Target, target_of
from contractdesk.exchange.wire.binance import text
from contractdesk.exchange.wire.binance.depth import DepthStream
from contractdesk.exchange.wire.binance.errors import ApiError, from_refusal
from contractdesk.exchange.wire.binance.keys import LIFE_NS, Credential, ListenKeys
from contractdesk.exchange.wire.binance.params import Params
from contractdesk.exchange.wire.binance.signing import authentic, signature, split_signature, timely
from contractdesk.exchange.wire.binance.streams import Kind, Path, parse_stream

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
SYMBOLS = {"BTCUSDT"}
BTC = default_listings()[0].instrument

# The example of Binance's own documentation.
SECRET = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
PAYLOAD = (
    "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
    "&recvWindow=5000&timestamp=1591702613943"
)
SIGNATURE = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"


class TestSigning:
    def test_golden_vector(self) -> None:
        assert signature(SECRET, PAYLOAD) == SIGNATURE
        assert authentic(SECRET, f"{PAYLOAD}&signature={SIGNATURE}", "")
        assert authentic(SECRET, "", f"{PAYLOAD}&signature={SIGNATURE}")
        assert not authentic(SECRET, f"{PAYLOAD}&signature={SIGNATURE[:-1]}a", "")

    @given(st.text("abc=&", max_size=20), st.text("abc=&", max_size=20))
    def test_mixed_requests_are_signed_over_the_plain_concatenation(self, query: str, body: str) -> None:
        sign = signature("s", split_signature(query)[0] + body)
        assert authentic("s", query, f"{body}&signature={sign}" if body else f"signature={sign}")

    @pytest.mark.parametrize(
        ("stamp", "passes"),
        [(10_999, True), (11_000, False), (5_000, True), (4_999, False), (10_000, True)],
    )
    def test_window(self, stamp: int, *, passes: bool) -> None:
        assert timely(stamp, 5_000, server_ms=10_000) is passes


class TestParams:
    def test_reads_query_and_body(self) -> None:
        params = Params.of("symbol=BTCUSDT&price=1.50", "quantity=2&reduceOnly=true&empty=")
        assert params.need("symbol") == "BTCUSDT"
        assert params.decimal("price") == Decimal("1.50")
        assert params.flag("reduceOnly") is True
        assert params.text("empty") is None
        assert params.limit(500, 1_000) == 500
        assert Params.of("limit=5000", "").limit(500, 1_000) == 1_000

    @pytest.mark.parametrize(
        ("query", "read", "code"),
        [
            ("", lambda p: p.need("symbol"), -1102),
            ("x=Infinity", lambda p: p.decimal("x"), -1100),
            ("x=1e", lambda p: p.decimal("x"), -1100),
            ("x=1.5", lambda p: p.integer("x"), -1100),
            ("x=maybe", lambda p: p.flag("x"), -1130),
            ("limit=0", lambda p: p.limit(5, 5), -1130),
        ],
    )
    def test_malformed(self, query: str, read, code: int) -> None:
        with pytest.raises(ApiError) as caught:
            read(Params.of(query, ""))
        assert caught.value.code == code


@pytest.mark.parametrize("reason", list(Reason))
def test_every_refusal_of_the_core_has_a_code(reason: Reason) -> None:
    error = from_refusal(Refused(reason, "7"))
    assert error.code < -1000
    assert error.message


def test_numbers_as_the_venue_writes_them() -> None:
    assert text.plain(Decimal("1E+3")) == "1000"
    assert text.plain(Decimal("0.100")) == "0.1"
    assert text.money(Decimal("0.000000005")) == "0.00000000"
    assert text.average(Decimal(60_000)) == "60000.00000"
    assert text.average(Decimal("60000.12345678")) == "60000.12345678"
    assert text.price(BTC, Decimal("59000.1")) == "59000.10"
    assert text.size(BTC, Decimal("0.02")) == "0.020"
    assert text.level(BTC, 590_001, 25) == ["59000.10", "0.025"]


def test_the_face_of_the_clock() -> None:
    face = text.Face()
    assert (face.ms(0), face.ms(1_999_999)) == (0, 1)
    face.shift_ns = 3 * NS_PER_S
    assert face.ms(NS_PER_S) == 4_000
    assert face.ns(4_000) == NS_PER_S


class TestStreams:
    @pytest.mark.parametrize(
        ("name", "kind", "every_ms"),
        [
            ("btcusdt@depth", Kind.DEPTH, 250),
            ("btcusdt@depth@100ms", Kind.DEPTH, 100),
            ("btcusdt@depth@500ms", Kind.DEPTH, 500),
            ("btcusdt@depth20@100ms", Kind.PARTIAL, 100),
            ("btcusdt@bookTicker", Kind.BOOK_TICKER, 0),
            ("btcusdt@aggTrade", Kind.AGG_TRADE, 0),
            ("btcusdt@markPrice@1s", Kind.MARK, 1_000),
            ("btcusdt@markPrice", Kind.MARK, 3_000),
            ("btcusdt@kline_15m", Kind.KLINE, 250),
            ("btcusdt@ticker", Kind.TICKER, 2_000),
            ("!markPrice@arr", Kind.MARK, 3_000),
            ("!forceOrder@arr", Kind.FORCED, 1_000),
        ],
    )
    def test_known(self, name: str, kind: Kind, every_ms: int) -> None:
        stream = parse_stream(name, SYMBOLS)
        assert stream is not None
        assert (stream.kind, stream.every_ms) == (kind, every_ms)

    @pytest.mark.parametrize(
        "name", ["BTCUSDT@depth", "nope@depth", "btcusdt", "btcusdt@depth7", "btcusdt@depth@1ms",
                 "btcusdt@kline_1s", "btcusdt@", "!nothing"],
    )  # fmt: skip
    def test_unknown(self, name: str) -> None:
        assert parse_stream(name, SYMBOLS) is None

    def test_each_path_serves_its_own(self) -> None:
        depth, mark = parse_stream("btcusdt@depth", SYMBOLS), parse_stream("btcusdt@markPrice", SYMBOLS)
        assert depth is not None
        assert mark is not None
        assert [path for path in Path if depth.on(path)] == [Path.PUBLIC, Path.LEGACY]
        assert [path for path in Path if mark.on(path)] == [Path.MARKET]

    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("/ws", Target(Path.LEGACY, combined=False, names=())),
            ("/stream", Target(Path.LEGACY, combined=True, names=())),
            ("/public/ws/3", Target(Path.PUBLIC, combined=False, names=())),
            ("/market/stream", Target(Path.MARKET, combined=True, names=())),
            ("/private/ws/abc", Target(Path.PRIVATE, combined=False, names=("abc",))),
            ("/public/ws/a@depth/b@trade", Target(Path.PUBLIC, combined=False, names=("a@depth", "b@trade"))),
        ],
    )
    def test_urls(self, path: str, target: Target) -> None:
        assert target_of(path, "", "", "") == target

    def test_queries(self) -> None:
        combined = target_of("/public/stream", "a@depth/b@trade", "", "")
        assert combined is not None
        assert combined.names == ("a@depth", "b@trade")
        private = target_of("/private/ws", "", "abc", "ORDER_TRADE_UPDATE/ALGO_UPDATE")
        assert private is not None
        assert (private.names, private.events) == (("abc",), {"ORDER_TRADE_UPDATE", "ALGO_UPDATE"})
        assert target_of("/public/nothing", "", "", "") is None


moves = st.lists(
    st.tuples(
        st.integers(0, 150),  # ms since the last move
        st.dictionaries(st.integers(1, 9), st.integers(0, 5), max_size=4),
        st.dictionaries(st.integers(11, 19), st.integers(0, 5), max_size=4),
        st.integers(1, 3),  # updates in the move
    ),
    max_size=60,
)


@given(moves, st.lists(st.booleans(), min_size=60, max_size=60))
def test_depth_streams_chain_and_rebuild_the_book(history, wanted: list[bool]) -> None:
    """Whoever joins late finds ``pu`` chained, and every message applied gives the book."""
    stream, face = DepthStream(BTC, 100), text.Face()
    book: dict[tuple[str, int], int] = {}
    copy: dict[tuple[str, str], str] = {}
    now_ns, last_id, sent_u = NS_PER_S, 1_000, 1_000
    for (wait_ms, bids, asks, updates), want in zip(history, wanted, strict=False):
        now_ns += wait_ms * NS_PER_MS
        book.update({("b", tick): lots for tick, lots in bids.items()})
        book.update({("a", tick): lots for tick, lots in asks.items()})
        event = BookMoved(
            ts_ns=now_ns,
            symbol="BTCUSDT",
            first_id=last_id + 1,
            last_id=last_id + updates,
            bids=tuple(bids.items()),
            asks=tuple(asks.items()),
        )
        last_id += updates
        stream.add(event)
        before = stream._sent_id
        message = stream.flush(now_ns, face, wanted=want or wanted[0])
        if message is not None:
            assert message["pu"] == before
            assert message["U"] == before + 1
            sent_u = message["u"]
            assert sent_u == last_id
            for side in "ba":
                copy.update({(side, price): size for price, size in message[side]})
    final = stream.flush(now_ns + NS_PER_S, face, wanted=True)
    if wanted[0]:
        for side in "ba":
            copy.update({(side, price): size for price, size in (final or {}).get(side, [])})
        shown = {(s, *text.level(BTC, tick, lots)) for (s, tick), lots in book.items()}
        assert {(s, price, size) for (s, price), size in copy.items()} == shown


class TestLimits:
    def test_429_names_the_rest_of_the_minute(self) -> None:
        limits = AddressLimits(Quota(weight_1m=10, patience=2, ban_s=120))
        at_ns = 60 * NS_PER_S + 45 * NS_PER_S
        assert limits.spend(10, at_ns).outcome is Outcome.PASSED
        verdict = limits.spend(1, at_ns)
        assert (verdict.outcome, verdict.retry_after_s) == (Outcome.TOO_MANY_REQUESTS, 15)
        assert limits.spend(1, at_ns + 15 * NS_PER_S).outcome is Outcome.PASSED

    def test_the_obstinate_are_banned_for_ever_longer(self) -> None:
        limits = AddressLimits(Quota(weight_1m=1, patience=1, ban_s=120))
        outcomes = [limits.spend(1, 0) for _ in range(4)]
        assert [each.outcome for each in outcomes] == [
            Outcome.PASSED,
            Outcome.TOO_MANY_REQUESTS,
            Outcome.BANNED,
            Outcome.BANNED,
        ]
        assert outcomes[-1].retry_after_s == 120
        assert limits.spend(1, 119 * NS_PER_S).retry_after_s == 1
        assert limits.spend(1, 120 * NS_PER_S).outcome is Outcome.PASSED
        again = [limits.spend(1, 120 * NS_PER_S) for _ in range(2)]
        assert again[-1].retry_after_s == 240

    def test_orders_of_an_account(self) -> None:
        limits, quota = AccountLimits(), Quota(orders_10s=2, orders_1m=3)
        assert [limits.spend(1, quota, 0).outcome for _ in range(2)] == [Outcome.PASSED] * 2
        assert limits.spend(1, quota, NS_PER_S).retry_after_s == 9
        assert limits.spend(1, quota, 10 * NS_PER_S).outcome is Outcome.PASSED
        assert limits.spend(1, quota, 20 * NS_PER_S).retry_after_s == 40


class TestKeys:
    def test_a_listen_key_lives_an_hour_from_its_last_prolongation(self) -> None:
        keys = ListenKeys()
        first = keys.open("ann", 0)
        assert keys.open("ann", LIFE_NS // 2) == first
        assert keys.expire(LIFE_NS) == []
        keys.prolong("ann", LIFE_NS)
        assert keys.expire(2 * LIFE_NS - 1) == []
        assert keys.expire(2 * LIFE_NS) == [("ann", first)]
        assert keys.prolong("ann", 2 * LIFE_NS) is None
        assert keys.open("ann", 2 * LIFE_NS) != first

    def test_secrets_stay_out_of_reprs(self) -> None:
        shown = repr(Credential("the-key", "the-secret", "ann"))
        assert "the-key" not in shown
        assert "the-secret" not in shown
