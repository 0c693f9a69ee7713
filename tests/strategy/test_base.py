"""Parameters, the Strategy base, its context and the intents."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from contractdesk import strategy as cd
from contractdesk.domain.intents import AtrStop, FixedStop, Intent, IntentKind
from contractdesk.domain.orders import OrderRole, Side, TimeInForce
from contractdesk.errors import ConfigError
from contractdesk.strategy.base import CALLBACKS, BarView, Context, Wish
from tests.domain.terms import LINEAR
from tests.risk.desks import order
from tests.strategy.hosts import SYMBOL, Host, bar

D = Decimal


class Mood(Enum):
    CALM = "calm"
    WILD = "wild"


class Sample(cd.Strategy):
    lookback = cd.Param(20, ge=2, le=500, doc="bars")
    share = cd.Param(0.5, ge=0.0, le=1.0)
    multiple = cd.Param(D("2.5"), ge=D("0.1"))
    mood = cd.Param(Mood.CALM)
    active = cd.Param(True)
    name = cd.Param("a", choices=("a", "b"))

    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        return None


class Longer(Sample):
    lookback = cd.Param(50, ge=2, le=5000)
    extra = cd.Param(1)


class Breakout(cd.Strategy):
    lookback = cd.Param(20, ge=2, le=500, doc="bars")

    def on_bar(self, bar, ctx):  # type: ignore[no-untyped-def]  # noqa: RET503  (as a user types it)
        if bar.close > ctx.bars(bar.symbol, self.lookback, before=bar).high.max():
            return cd.enter_long(bar.symbol, stop=cd.atr_stop(14, 2.5))  # size: the cap's share unless given


def test_parameters_have_their_defaults_and_take_what_a_journal_gives() -> None:
    plain = Sample([SYMBOL])
    assert (plain.lookback, plain.share, plain.multiple, plain.mood, plain.active, plain.name) == (
        20,
        0.5,
        D("2.5"),
        Mood.CALM,
        True,
        "a",
    )
    again = Sample([SYMBOL], **plain.params)
    assert again.params == plain.params
    assert plain.params == {
        "lookback": 20,
        "share": 0.5,
        "multiple": "2.5",
        "mood": "calm",
        "active": True,
        "name": "a",
    }
    mixed = Sample([SYMBOL], lookback=30.0, share=1, multiple=0.1, mood="wild")
    assert (mixed.lookback, mixed.share, mixed.multiple, mixed.mood) == (30, 1.0, D("0.1"), Mood.WILD)
    assert isinstance(mixed.share, float)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"lookback": 1}, "lookback=1 is not permitted: it must be an int from 2 to 500"),
        ({"lookback": 501}, "from 2 to 500"),
        ({"lookback": 2.5}, "lookback=2.5 is not permitted"),
        ({"lookback": "many"}, "lookback='many' is not permitted"),
        ({"lookback": True}, "lookback=True is not permitted"),
        ({"share": float("nan")}, "share=nan is not permitted: it must be a float from 0.0 to 1.0"),
        ({"multiple": "0.05"}, "it must be a Decimal of at least 0.1"),
        ({"multiple": "x"}, "multiple='x' is not permitted"),
        ({"mood": "sad"}, "mood='sad' is not permitted: it must be one of 'calm', 'wild'"),
        ({"active": 1}, "active=1 is not permitted: it must be a bool"),
        ({"name": "c"}, "one of 'a', 'b'"),
        ({"lokback": 3}, "Sample has no parameter 'lokback'; it has: active, lookback, mood"),
    ],
)
def test_a_bad_parameter_is_one_clear_error(params: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Sample([SYMBOL], **params)
    with pytest.raises(ConfigError, match=words):
        Sample([SYMBOL]).with_params(**params)


def test_tuning_gives_a_strategy_with_the_same_memory() -> None:
    old = Sample([SYMBOL], share=0.25)
    old.state["seen"] = 1
    new = old.with_params(lookback=8)
    assert (old.lookback, new.lookback, new.share) == (20, 8, 0.25)
    assert new.state is old.state
    assert type(new) is Sample
    with pytest.raises(ConfigError, match="change it with tune"):
        new.lookback = 9


def test_a_subclass_inherits_and_overrides() -> None:
    assert Longer([SYMBOL]).params["lookback"] == 50
    assert list(Longer.declared()) == [*Sample.declared(), "extra"]
    assert Sample.lookback.doc == "bars"
    with pytest.raises(ConfigError, match="a Param is a bool, int"):
        cd.Param([1])
    with pytest.raises(ConfigError, match="must be an int of at most 3"):
        cd.Param(4, le=3)


@pytest.mark.parametrize("symbols", [[], [""], [1], ["A", "A"]])
def test_symbols_are_checked(symbols: list[Any]) -> None:
    with pytest.raises(ConfigError, match="symbols="):
        Sample(symbols)


def test_symbols_and_timeframes() -> None:
    assert Sample("A").symbols == ("A",)
    assert repr(Sample("A", timeframe="1s")).startswith("Sample(['A'], timeframe='1s', lookback=20")
    for timeframe in ("1x", "", 5):
        with pytest.raises(ConfigError, match="timeframe="):
            Sample("A", timeframe=timeframe)  # type: ignore[arg-type]


def test_only_overridden_callbacks_are_subscribed() -> None:
    assert [name for name in CALLBACKS if Sample("A").subscribes(name)] == ["on_bar"]
    assert not any(cd.Strategy("A").subscribes(name) for name in CALLBACKS)
    context = Host(Sample(SYMBOL)).context
    for name in CALLBACKS:
        subject = () if name in {"on_start", "on_end"} else (None,)
        assert getattr(cd.Strategy("A"), name)(*subject, context) is None


# -- the example of the documentation ------------------------------------------------------------


def test_the_breakout_example_waits_for_its_history_and_then_enters() -> None:
    host = Host(Breakout([SYMBOL], lookback=3))
    assert host.close("100", "99", "98") == []  # three bars are needed before
    assert host.close("100") == []  # as high as the highest is no breakout
    (intent,) = host.close("101")
    assert intent == Intent(
        kind=IntentKind.ENTER, symbol=SYMBOL, side=Side.BUY, stop=AtrStop(period=14, multiple=D("2.5"))
    )


# -- context -------------------------------------------------------------------------------------


def test_the_context_reads_the_desk() -> None:
    host = Host(Sample(SYMBOL))
    host.desk.working = [
        order(LINEAR, Side.BUY, "0.001", "60000"),
        order(LINEAR, Side.SELL, "0.001", "60000", role=OrderRole.STOP),
    ]
    assert host.context.entries(SYMBOL) == ()  # the person's
    assert Context(host.desk, "", lambda symbol: host.series).entries(SYMBOL) == (host.desk.working[0],)
    assert host.context.now_ns == host.desk.now_ns
    assert host.context.position(SYMBOL).flat
    assert host.context.touch(SYMBOL, Side.BUY) == D("59999.9")
    assert host.context.touch(SYMBOL, Side.SELL) == D("60000.1")
    host.desk.symbols[SYMBOL].book.invalidate()
    assert host.context.touch(SYMBOL, Side.BUY) is None
    with pytest.raises(ConfigError, match="'ETH' is not on this desk; it has: BTC/USDT:USDT"):
        host.context.position("ETH")


def test_a_bar_view_has_floats_and_the_exact_bar() -> None:
    exact = bar(1, "0.1")
    view = BarView.of(SYMBOL, "1m", exact)
    assert (view.close, view.exact, view.close_ns - view.open_ns) == (0.1, exact, 60 * 10**9)


# -- intents -------------------------------------------------------------------------------------


def test_intents_take_plain_numbers() -> None:
    intent = cd.enter_short(
        "S", stop=61_000, notional=200, limit=60_000.1, post_only=True, take_profit="59000", expire_s=5
    )
    assert (intent.side, intent.stop, intent.notional, intent.limit) == (
        Side.SELL,
        FixedStop(D(61_000)),
        D(200),
        D("60000.1"),
    )
    assert (intent.time_in_force, intent.take_profit, intent.expire_s) == (TimeInForce.GTX, D(59_000), 5)
    assert cd.exit_position("S", size=0.1).size == D("0.1")
    assert cd.exit_position("S").kind is IntentKind.EXIT
    assert cd.move_stop("S", 59_000.5).stop == FixedStop(D("59000.5"))
    assert cd.cancel_entries("S").kind is IntentKind.CANCEL
    assert cd.enter_long("S", stop=cd.fixed_stop("1")).stop == FixedStop(D(1))


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"size": 1, "notional": 1}, "one of size, notional and amount"),
        ({"post_only": True}, "give limit="),
        ({"expire_s": 0}, "must be above 0 seconds"),
        ({"expire_s": float("nan")}, "must be above 0 seconds"),
        ({"size": 0}, "size=0 is not permitted"),
        ({"limit": float("nan")}, "limit=nan is not permitted"),
        ({"stop": float("inf")}, "stop=inf is not permitted"),
        ({"stop": "low"}, "stop='low' is not a number"),
    ],
)
def test_what_cannot_be_wished_is_an_error(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        cd.enter_long("S", **terms)


def test_an_atr_stop_has_a_range() -> None:
    for period, multiple in ((0, 1), (1001, 1), (14, 0), (14, -1)):
        with pytest.raises(ConfigError, match="is not permitted"):
            cd.atr_stop(period, multiple)


def test_declaring_a_strategy_loads_no_numerics() -> None:
    code = (
        "import sys; import contractdesk.strategy.library, contractdesk.risk.gate;"
        "print([m for m in ('numpy', 'pandas', 'talib', 'numba', 'ccxt') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
