"""Market frames: golden ones by the documentation, and every frame of the recordings."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from contractdesk.domain.events import BarClosed, LiquidationPrinted, MarkPriced, TradePrinted
from contractdesk.domain.market import Bar, unpack_levels
from contractdesk.domain.orders import Side
from contractdesk.errors import VenueProtocolError
from contractdesk.venues.binance.codec_market import Ack, decode_market, decode_snapshot
from contractdesk.venues.book_sync import DepthDelta

from .captures import ACROSS_THE_SETTLEMENT, AUGUST_2024, frames, is_stream
from .terms import BTCUSDT, INSTRUMENTS

D = Decimal
TS = 42
SYMBOL = BTCUSDT.symbol


def decode(frame: str) -> object:
    return decode_market(frame.encode(), INSTRUMENTS, TS)


def test_depth_in_both_framings() -> None:
    body = (
        '{"e":"depthUpdate","E":1680652800016,"T":1680652800009,"s":"BTCUSDT","U":5,"u":9,"pu":4,'
        '"b":[["22300.00","2.788"],["27577.40","0.000"]],"a":[["28155.2","3.793"]],"ps":"BTCUSDT","st":1}'
    )
    delta = decode(f'{{"stream":"btcusdt@depth@100ms","data":{body}}}')
    assert delta == decode(body)
    assert isinstance(delta, DepthDelta)
    assert (delta.first_id, delta.last_id, delta.previous_id, delta.symbol) == (5, 9, 4, SYMBOL)
    assert unpack_levels(delta.bids) == [(223_000, 2_788), (275_774, 0)]
    assert unpack_levels(delta.asks) == [(281_552, 3_793)]
    assert delta.venue_ns == 1_680_652_800_009_000_000


GOLDEN = {
    "aggTrade": (
        '{"e":"aggTrade","E":123456789,"s":"BTCUSDT","a":5933014,"p":"61800.30","q":"0.006","f":100,"l":105,'
        '"T":123456785,"m":true}',
        TradePrinted(
            ts_ns=TS,
            symbol=SYMBOL,
            trade_id=5_933_014,
            price=D("61800.30"),
            size=D("0.006"),
            taker=Side.SELL,
            venue_ns=123_456_785_000_000,
        ),
    ),
    "markPriceUpdate": (
        '{"e":"markPriceUpdate","E":1562305380000,"s":"BTCUSDT","p":"11794.15000000","i":"11784.62659091",'
        '"P":"11784.25641265","r":"0.00038167","T":1562306400000}',
        MarkPriced(
            ts_ns=TS,
            symbol=SYMBOL,
            mark=D("11794.15"),
            index=D("11784.62659091"),
            funding_rate=D("0.00038167"),
            next_funding_ns=1_562_306_400_000_000_000,
            venue_ns=1_562_305_380_000_000_000,
        ),
    ),
    "forceOrder": (
        '{"e":"forceOrder","E":1568014460893,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014",'
        '"p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}',
        LiquidationPrinted(
            ts_ns=TS,
            symbol=SYMBOL,
            side=Side.SELL,
            size=D("0.014"),
            price=D(9910),
            venue_ns=1_568_014_460_893_000_000,
        ),
    ),
    "kline": (
        '{"e":"kline","E":1638747660000,"s":"BTCUSDT","k":{"t":1638747600000,"T":1638747659999,"s":"BTCUSDT",'
        '"i":"1m","f":100,"L":200,"o":"1.0","c":"2.5","h":"3.0","l":"0.5","v":"1000.5","n":100,"x":true,'
        '"q":"1.0000","V":"500","Q":"0.500","B":"123456"}}',
        BarClosed(
            ts_ns=TS,
            symbol=SYMBOL,
            timeframe="1m",
            bar=Bar(
                open_ns=1_638_747_600_000_000_000,
                open=D(1),
                high=D(3),
                low=D("0.5"),
                close=D("2.5"),
                volume=D("1000.5"),
            ),
        ),
    ),
    "granted": ('{"result":null,"id":7}', Ack(7)),
    "refused": ('{"error":{"code":2,"msg":"Invalid request"},"id":8}', Ack(8, "2: Invalid request")),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frames(name: str) -> None:
    frame, fact = GOLDEN[name]
    assert decode(frame) == fact


def test_an_open_kline_says_nothing() -> None:
    assert decode(GOLDEN["kline"][0].replace('"x":true', '"x":false')) is None


@pytest.mark.parametrize(
    "frame",
    [
        "garbage",
        "{}",
        '{"e":"somethingNew","s":"BTCUSDT"}',
        '{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":3,"p":"0","q":"0","X":"NA","m":true}',
        '{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":3,"p":"NaN","q":"1","X":"MARKET","m":true}',
        '{"e":"trade","E":1,"T":1,"s":"BTCUSDT","t":3,"p":"-1","q":"1","X":"MARKET","m":true}',
        '{"e":"aggTrade","E":1,"s":"NOSUCH","a":5,"p":"1","q":"1","T":1,"m":true}',
        '{"e":"markPriceUpdate","E":1,"s":"BTCUSDT","p":"0","i":"1","r":"0","T":1}',
        '{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":5,"u":9,"pu":4,"b":[["1.05","1"]],"a":[]}',
        '{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":5,"u":9,"pu":4,"b":[["0","1"]],"a":[]}',
        '{"e":"depthUpdate","E":1,"T":1,"s":"BTCUSDT","U":5,"u":9,"pu":4,"b":[],"a":[["1","-1"]]}',
    ],
)
def test_what_cannot_be_is_refused(frame: str) -> None:
    with pytest.raises(VenueProtocolError):
        decode(frame)


@pytest.mark.recording
@pytest.mark.parametrize("names", [ACROSS_THE_SETTLEMENT, (AUGUST_2024,)])
def test_every_recorded_frame_decodes(recordings: Path, names: tuple[str, ...]) -> None:
    counts: Counter[str] = Counter()
    for frame in frames(recordings, *names):
        if is_stream(frame):
            counts[type(decode_market(frame, INSTRUMENTS, TS)).__name__] += 1
        else:
            decode_snapshot(frame, BTCUSDT)
            counts["snapshot"] += 1
    assert counts["snapshot"] == 1
    assert min(counts["DepthDelta"], counts["TradePrinted"]) > 6_000
