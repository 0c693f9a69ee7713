"""What a guardian decides about one symbol: laws over any picture, and the cases by name."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.config import GuardianOptions
from contractdesk.desk.guardian_plan import Act, Cancel, Close, SentStop, Stop, Ward, own_size, plan
from contractdesk.desk.guardian_watch import NS_PER_S, Watch
from contractdesk.desk.guardian_words import (
    Armed,
    Beat,
    EntryAtRisk,
    Frames,
    Goodbye,
    SymbolAtRisk,
    frame,
    from_desk,
)
from contractdesk.domain.events import VenueOrder
from contractdesk.domain.orders import OrderRole, OrderStatus, OrderType, Side
from contractdesk.engine import client_ids

BTC, BOT = "BTC/USDT:USDT", "abcd"
D = Decimal
Drawn = tuple[OrderRole, Side, int, bool]  # an order of that size; of ours, or of somebody else's
sizes = st.integers(-5, 5).map(Decimal)
sides = st.sampled_from(list(Side))
_ids = iter(range(1, 1_000_000))


def row(
    role: OrderRole, side: Side, size: object, price: object = 90, bot: str = BOT, **more: object
) -> VenueOrder:
    """An order that rests at the venue."""
    conditional = role in (OrderRole.STOP, OrderRole.TAKE_PROFIT)
    terms: dict[str, object] = {
        "client_id": client_ids.make(bot, 1, next(_ids), role),
        "venue_id": "1",
        "symbol": BTC,
        "side": side,
        "type": OrderType.STOP_MARKET if conditional else OrderType.LIMIT,
        "status": OrderStatus.WORKING,
        "size": D(str(size)),
        "filled": D(0),
        "price": None if conditional else D(100),
        "trigger_price": D(str(price)) if conditional else None,
        "reduce_only": role is not OrderRole.ENTRY,
    }
    return VenueOrder(**(terms | more))  # type: ignore[arg-type]


def entry(side: Side, size: object, stop: object = 90, *, resting: bool = False) -> EntryAtRisk:
    client_id = client_ids.make(BOT, 1, next(_ids), OrderRole.ENTRY)
    price = None if stop is None else D(str(stop))
    return EntryAtRisk(
        client_id=client_id, side=side, size=D(str(size)), resting=resting, limit=True, stop_price=price
    )


def risk(size: object = 0, external: object = 0, stop: object = 90, *entries: EntryAtRisk) -> SymbolAtRisk:
    return SymbolAtRisk(
        symbol=BTC,
        size=D(str(size)),
        external=D(str(external)),
        guarded=D(0),
        stop_price=None if stop is None else D(str(stop)),
        entries=entries,
    )


def acts(ward: Ward, held: object, *orders: VenueOrder, at_s: float = 0, settled: bool = True) -> list[Act]:
    return plan(ward, D(str(held)), orders, BOT, int(at_s * NS_PER_S), settled=settled)


# -- laws -----------------------------------------------------------------------------------


@given(size=sizes, external=sizes, held=sizes, bought=st.integers(0, 3), sold=st.integers(0, 3), closed=sizes)
def test_no_more_is_guarded_or_closed_than_the_desk_can_own(
    size: Decimal, external: Decimal, held: Decimal, bought: int, sold: int, closed: Decimal
) -> None:
    entries = tuple(entry(side, n) for side, n in ((Side.BUY, bought), (Side.SELL, sold)) if n)
    ward = Ward(risk=risk(size, external, 90, *entries), closed=closed)
    own = own_size(ward, held)
    assert min(D(0), size - sold) <= own <= max(D(0), size + bought)
    share = held - external
    assert abs(own) <= abs(share)
    assert own == 0 or (own > 0) == (share > 0)


@given(
    size=sizes,
    external=sizes,
    held=sizes,
    stop=st.sampled_from([None, 90, 110]),
    orders=st.lists(
        st.tuples(st.sampled_from(list(OrderRole)), sides, st.integers(1, 5), st.booleans()), max_size=5
    ),
    settled=st.booleans(),
)
def test_nothing_opens_and_nothing_of_others_is_touched(
    size: Decimal, external: Decimal, held: Decimal, stop: int | None, orders: list[Drawn], settled: bool
) -> None:
    ward = Ward(risk=risk(size, external, stop))
    rows = [row(role, side, n, bot=BOT if ours else "zzzz") for role, side, n, ours in orders]
    ours = {order.client_id for order, (*_, mine) in zip(rows, orders, strict=True) if mine}
    own = own_size(ward, held)
    stops = [
        order for order, (role, *_, mine) in zip(rows, orders, strict=True) if mine and role is OrderRole.STOP
    ]
    for act in acts(ward, held, *rows, settled=settled):
        if isinstance(act, Stop):
            assert bool(act.frees) == (len(stops) >= 2), "never a third one"
            assert not act.frees or act.frees in {order.client_id for order in stops}
        if isinstance(act, Cancel):
            assert act.client_id in ours
        else:
            assert own != 0
            assert act.side is (Side.SELL if own > 0 else Side.BUY)
            assert act.size == abs(own)


# -- cases ----------------------------------------------------------------------------------


def test_a_bare_position_is_stopped_at_the_armed_price() -> None:
    assert acts(Ward(risk=risk(3)), 3) == [Stop(side=Side.SELL, size=D(3), price=D(90))]
    assert acts(Ward(risk=risk(-3, 0, 110)), -3) == [Stop(side=Side.BUY, size=D(3), price=D(110))]


def test_a_stop_that_covers_all_and_is_as_tight_stays() -> None:
    for price in (90, 95):
        assert acts(Ward(risk=risk(3)), 3, row(OrderRole.STOP, Side.SELL, 3, price)) == []


def test_one_that_is_looser_or_smaller_is_replaced_and_goes_when_the_new_one_stands() -> None:
    ward = Ward(risk=risk(3))
    for old in (row(OrderRole.STOP, Side.SELL, 3, 80), row(OrderRole.STOP, Side.SELL, 1, 90)):
        assert acts(ward, 3, old) == [Stop(side=Side.SELL, size=D(3), price=D(90))]
        new = row(OrderRole.STOP, Side.SELL, 3, 90)
        assert acts(ward, 3, old, new) == [Cancel(client_id=old.client_id, conditional=True)]


def test_a_stop_that_is_not_listed_yet_is_not_sent_again_unless_more_is_held() -> None:
    ward = Ward(risk=risk(0, 0, None, entry(Side.BUY, 3)))
    ward.sent = [SentStop(client_id="s1", size=D(2), sent_ns=0, accepted=True)]
    assert acts(ward, 2, at_s=4.9) == []
    assert acts(ward, 3, at_s=0.1) == [Stop(side=Side.SELL, size=D(3), price=D(90))]
    assert acts(ward, 2, at_s=5.1) == [Stop(side=Side.SELL, size=D(2), price=D(90))]


def test_one_whose_answer_was_lost_is_sent_again_soon_and_never_a_third_one() -> None:
    ward = Ward(risk=risk(2))
    ward.sent = [SentStop(client_id="s1", size=D(2), sent_ns=0)]
    assert acts(ward, 2, at_s=0.9) == []
    assert acts(ward, 2, at_s=1.1) == [Stop(side=Side.SELL, size=D(2), price=D(90))]
    ward.sent.append(SentStop(client_id="s2", size=D(2), sent_ns=NS_PER_S))
    assert acts(ward, 2, at_s=7) == []  # however long the venue's lists lag
    assert acts(ward, 2, at_s=9.5) == [Stop(side=Side.SELL, size=D(2), price=D(90))]


def test_a_late_entry_is_stopped_at_its_own_price_and_an_add_at_the_tighter_one() -> None:
    assert acts(Ward(risk=risk(0, 0, None, entry(Side.SELL, 2, 120))), -2) == [
        Stop(side=Side.BUY, size=D(2), price=D(120))
    ]
    added = Ward(risk=risk(1, 0, 90, entry(Side.BUY, 2, 95)))
    assert acts(added, 3) == [Stop(side=Side.SELL, size=D(3), price=D(95))]
    assert acts(added, 1) == [Stop(side=Side.SELL, size=D(1), price=D(90))]


def test_without_a_price_it_is_closed() -> None:
    (act,) = acts(Ward(risk=risk(2, 0, None)), 2)
    assert isinstance(act, Close)
    assert (act.side, act.size) == (Side.SELL, D(2))


def test_beside_somebody_elses_contracts_only_what_two_pictures_show_is_closed() -> None:
    ward = Ward(risk=risk(2, 5), close_why="refused")
    assert acts(ward, 7) == []
    assert acts(ward, 7) == [Close(side=Side.SELL, size=D(2), why="refused")]
    ward.closed = D(-2)  # the venue's list may lag behind
    assert acts(ward, 7) == []


def test_entries_go_at_once_and_what_reduces_only_when_nothing_can_come_any_more() -> None:
    resting, stop = row(OrderRole.ENTRY, Side.BUY, 1), row(OrderRole.STOP, Side.SELL, 1)
    ward = Ward(risk=risk(0))
    assert acts(ward, 0, resting, stop, settled=False) == [
        Cancel(client_id=resting.client_id, conditional=False)
    ]
    assert acts(ward, 0, stop, settled=False) == []
    assert acts(ward, 0, stop) == [Cancel(client_id=stop.client_id, conditional=True)]
    assert not ward.flat
    assert acts(ward, 0) == []
    assert ward.flat


def test_of_two_stops_that_do_not_fit_the_smaller_one_makes_way() -> None:
    """A fill came while the stop of the one before was being replaced, and then the desk died."""
    old, newer = row(OrderRole.STOP, Side.SELL, "0.06"), row(OrderRole.STOP, Side.SELL, "1.3")
    wrong = row(OrderRole.STOP, Side.BUY, 9)
    for pair, goes in (((old, newer), old), ((newer, old), old), ((newer, wrong), wrong)):
        (act,) = acts(Ward(risk=risk(2)), 2, *pair)
        assert act == Stop(side=Side.SELL, size=D(2), price=D(90), frees=goes.client_id)


def test_a_cancel_that_is_refused_often_is_tried_again_every_ten_seconds() -> None:
    ward, resting = Ward(risk=risk(0)), row(OrderRole.ENTRY, Side.BUY, 1)
    tried = [at_s for at_s in range(60) if acts(ward, 0, resting, at_s=at_s)]
    assert tried == [0, 1, 2, 3, 4, 14, 24, 34, 44, 54]


# -- patience -------------------------------------------------------------------------------


def beat(at_s: float, *symbols: SymbolAtRisk) -> Beat:
    return Beat(number=1, sent_ns=int(at_s * NS_PER_S), offset_ms=0.0, symbols=symbols)


def test_patience_is_short_while_something_is_exposed() -> None:
    watch = Watch(GuardianOptions(), 0)
    assert watch.left_s(0) is None  # nothing is at risk: it may be silent for ever
    covered = SymbolAtRisk(symbol=BTC, size=D(1), external=D(0), guarded=D(1), stop_price=D(90))
    watch.beat(beat(100, covered))
    assert watch.left_s(101 * NS_PER_S) == 9.0
    watch.beat(beat(101, risk(1)))
    assert watch.left_s(102 * NS_PER_S) == 0.5
    assert watch.left_s(110 * NS_PER_S) == 0.0
    watch.beat(beat(103))
    assert watch.left_s(200 * NS_PER_S) is None


def test_an_entry_on_the_wire_is_exposed_and_one_that_rests_is_not() -> None:
    watch = Watch(GuardianOptions(), 0)
    watch.armed(Armed(number=1, sent_ns=0, row=risk(0, 0, None, entry(Side.BUY, 1)), deadline_ns=5))
    assert (watch.patience_s, watch.wire_ns) == (1.5, 5)
    watch.beat(beat(1, risk(0, 0, None, entry(Side.BUY, 1, resting=True))))
    assert watch.patience_s == 10.0


def test_a_beat_that_lay_unread_counts_from_when_it_was_sent() -> None:
    watch = Watch(GuardianOptions(), 0)
    watch.beat(beat(10, risk(1)))
    watch.beat(beat(9, risk(1)))  # an older one takes nothing back
    assert watch.silent_s(int(11.2 * NS_PER_S)) == 1.2


def test_messages_arrive_whole_in_whatever_pieces() -> None:
    said = [beat(1, risk(1, 2, 3, entry(Side.BUY, 1))), Goodbye(symbols=(risk(0),))]
    data, frames = b"".join(frame(message) for message in said), Frames()
    heard = [from_desk(body) for at in range(len(data)) for body in frames.feed(data[at : at + 1])]
    assert heard == said
