"""How much: exposure, room under the cap, margin, liquidation and loss; exact, in fractions.

All amounts are in the settle currency. Entries are the orders with role ENTRY that may still fill:
working, in flight and unknown alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.account import Account, VenuePosition, liquidation_price
from contractdesk.domain.instrument import ZERO, ContractKind, Instrument, Rounding, cash
from contractdesk.domain.orders import Order, OrderRole, OrderStatus, Side
from contractdesk.domain.position import external_cost
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.risk.proposal import Proposal, adverse_price, mark_of, worst_of_order
from contractdesk.risk.settings import CapBasis

UNANSWERED = frozenset({OrderStatus.IN_FLIGHT, OrderStatus.UNKNOWN})
FIRED = frozenset({OrderStatus.TRIGGERED, OrderStatus.PARTIALLY_FILLED})  # of a conditional order


def entries(view: DeskView, symbol: str, side: Side | None = None) -> Iterator[Order]:
    """Entries of the symbol that may still fill, of one side or of both."""
    for order in view.orders(symbol):
        request = order.request
        if request.role is OrderRole.ENTRY and (side is None or request.side is side):
            yield order


def net_size(item: SymbolView) -> Decimal:
    """The venue's position: ours and what is external; + long, - short."""
    return item.position.size + item.external_size


def to_reverse(view: DeskView, item: SymbolView, side: Side) -> Decimal:
    """Contracts of ours that an order of ``side`` closes first, less what others are closing already.

    Where one of those closes nothing in the end, less is held than was asked for, and never more.
    """
    against = max(ZERO, -side.sign * item.position.size)
    orders = (order for order in view.orders(item.instrument.symbol) if order.request.side is side)
    return max(ZERO, against - sum((order.remaining for order in orders if _trades(order)), ZERO))


def _trades(order: Order) -> bool:
    """It may fill as it is: a stop or a take-profit only once it has fired."""
    return not order.request.type.conditional or order.status in FIRED


# -- the cap ------------------------------------------------------------------------------------


def exposure(view: DeskView, item: SymbolView, side: Side, collar: Decimal) -> Fraction | None:
    """Position at mark plus same-direction entries at their worst; None where a price is unknown.

    A position in the other direction is not counted, nor counted on: its stop may close it first, and
    then all of an order that reverses it opens.
    """
    mark = mark_of(item)
    if mark is None:
        return None
    held = net_size(item)
    total = abs(item.instrument.cost(held, mark)) if held * side.sign > 0 else Fraction(0)
    for order in entries(view, item.instrument.symbol, side):
        worst = worst_of_order(item, order, collar)
        if worst is None:
            return None
        total += abs(item.instrument.cost(order.remaining, worst))
    return total


def cap_used(
    item: SymbolView, notional: Fraction, basis: CapBasis, leverage: Decimal | None = None
) -> Fraction | None:
    """What the cap counts of a symbol's whole ``notional``; None where the leverage is unknown."""
    leverage = item.leverage if leverage is None else leverage
    if basis is CapBasis.NOTIONAL:
        return notional
    if leverage <= 0:
        return None
    return notional / Fraction(min(leverage, item.instrument.tier(notional).max_leverage))


def cap_notional(item: SymbolView, allowed: Fraction, basis: CapBasis) -> Fraction | None:
    """The largest notional of which the cap counts at most ``allowed``; None as in ``cap_used``.

    By margin, each bracket permits its own leverage's worth, as far as the bracket reaches.
    """
    if basis is CapBasis.NOTIONAL:
        return allowed
    if item.leverage <= 0:
        return None
    most, tiers = Fraction(0), item.instrument.tiers
    for tier in tiers:
        permitted = allowed * Fraction(min(item.leverage, tier.max_leverage))
        if permitted <= Fraction(tier.floor) and tier is not tiers[0]:
            continue
        most = max(most, permitted if tier is tiers[-1] else min(permitted, Fraction(tier.cap)))
    return most


def cap_share(instrument: Instrument, room: Fraction, worst: Decimal) -> Decimal:
    """The largest size on the grid whose notional at ``worst`` fits into ``room``."""
    return instrument.size_for_notional(max(room, Fraction(0)), worst)


def smallest(instrument: Instrument, price: Decimal) -> Decimal:
    """The smallest size that the venue takes at ``price``: its lot, minimum and least notional."""
    one = instrument.quote_notional(Decimal(1), price)
    size = max(instrument.lot_size, instrument.min_size, instrument.min_notional / one)
    return instrument.round_size(size, Rounding.UP)


def size_of_amount(instrument: Instrument, amount: Decimal, price: Decimal) -> Decimal:
    """Contracts worth ``amount`` base units at ``price``, rounded down to the grid."""
    per_contract = Fraction(instrument.contract_size)
    if instrument.kind is ContractKind.INVERSE:
        per_contract /= Fraction(price)
    lots = Fraction(amount) / per_contract / Fraction(instrument.lot_size)
    return instrument.from_lots(lots.numerator // lots.denominator)


def largest(instrument: Instrument, most: Decimal, passes: Callable[[Decimal], bool]) -> Decimal:
    """The largest size on the grid, at most ``most``, that ``passes``; zero where none does.

    ``passes`` must be monotone: what holds for a size holds for every smaller one.
    """
    low, high = 0, int(most / instrument.lot_size)
    while low < high:
        middle = (low + high + 1) // 2
        if passes(instrument.from_lots(middle)):
            low = middle
        else:
            high = middle - 1
    return instrument.from_lots(low)


# -- margin -------------------------------------------------------------------------------------


def order_margin(item: SymbolView, size: Decimal, worst: Decimal, held: Fraction) -> Fraction:
    """Initial margin of ``size`` more contracts where ``held`` notional already stands."""
    notional = abs(item.instrument.cost(size, worst))
    tier = item.instrument.tier(held + notional)
    return notional / Fraction(min(item.leverage, tier.max_leverage))


def opening_fee(instrument: Instrument, size: Decimal, price: Decimal, *, taker: bool) -> Fraction:
    """Fee of the entry; a rebate is not counted on."""
    rate = max(ZERO, instrument.taker_fee if taker else instrument.maker_fee)
    return abs(instrument.cost(size, price)) * Fraction(rate)


def unseen_margin(view: DeskView, account: Account, collar: Decimal) -> Fraction | None:
    """Margin and fees of what the account snapshot cannot know yet; None where it is unknowable.

    Entries that are unanswered or changed since the snapshot, and positions that grew since.
    """
    total = Fraction(0)
    for symbol, item in view.symbols.items():
        if item.instrument.settle != account.asset:
            continue
        for order in entries(view, symbol):
            if order.status in UNANSWERED or max(order.created_ns, order.updated_ns) >= view.account_ns:
                worst = worst_of_order(item, order, collar)
                if worst is None or item.leverage <= 0:
                    return None
                total += order_margin(item, order.remaining, worst, Fraction(0))
                total += opening_fee(item.instrument, order.remaining, worst, taker=True)
        grown = abs(net_size(item)) - abs(venue_position_size(account, symbol))
        if grown > 0:
            mark = mark_of(item)
            if mark is None or item.leverage <= 0:
                return None
            total += order_margin(item, grown, mark, Fraction(0))
    return total


def venue_position(account: Account, symbol: str) -> VenuePosition | None:
    return next((position for position in account.positions if position.symbol == symbol), None)


def venue_position_size(account: Account, symbol: str) -> Decimal:
    position = venue_position(account, symbol)
    return ZERO if position is None else position.size


# -- after the fill -----------------------------------------------------------------------------


def held_cost(account: Account, item: SymbolView) -> Fraction:
    """Exact cost of the whole position; the external part at the venue's average entry price."""
    if not item.external_size:
        return item.position.cost
    shown = venue_position(account, item.instrument.symbol)
    external = external_cost(item.instrument, item.position, item.external_size, shown)
    if external is not None:
        return item.position.cost + external
    price = mark_of(item)
    if price is None:
        return item.position.cost
    return item.position.cost + item.instrument.cost(item.external_size, price)


def liquidation_after(
    view: DeskView, account: Account, item: SymbolView, proposal: Proposal, collar: Decimal
) -> Decimal | None:
    """Liquidation price once this entry and all others of its side have filled at their worst.

    Of an order that reverses a position, the nearer of two: with that position closed by the order, and
    with it closed before, by its stop or an exit.
    """
    instrument, side = item.instrument, proposal.side
    mark = mark_of(item)
    if proposal.adverse_price is None or mark is None:
        return None
    added = [(proposal.size, proposal.adverse_price)]
    for order in entries(view, instrument.symbol, side):
        price = adverse_price(item, side, order.request.price, collar)
        added.append((order.remaining, mark if price is None else price))
    opened, fees = Fraction(0), Fraction(0)
    for contracts, price in added:
        opened += instrument.cost(side.sign * contracts, price)
        fees += opening_fee(instrument, contracts, price, taker=True)
    contracts = side.sign * sum((contracts for contracts, _ in added), ZERO)
    maintenance, unrealized = _others(account, item, mark)

    def after(size: Decimal, cost: Fraction, lost: Fraction) -> Decimal | None:
        """The price where ``size`` at ``cost`` stood before, and ``lost`` is gone from the wallet."""
        return liquidation_price(
            instrument,
            size + contracts,
            cost + opened,
            account.wallet_balance - cash(fees + lost),
            other_maintenance=maintenance,
            other_unrealized=unrealized,
        )

    held = held_cost(account, item)
    turned = (net_size(item) + contracts) * side.sign > 0  # else what closes it besides must fill first
    prices = [after(net_size(item), held, Fraction(0))] if turned else []
    if item.position.size * side.sign < 0:  # closed first, all of the order opens
        prices.append(after(item.external_size, held - item.position.cost, _stop_loss(item, mark)))
    known = [price for price in prices if price is not None]
    return None if not known else max(known) if side is Side.BUY else min(known)


def _stop_loss(item: SymbolView, mark: Decimal) -> Fraction:
    """What our position loses if its stop closes it; a gain is not counted on."""
    position, price = item.position, mark if item.stop_price is None else item.stop_price
    return max(Fraction(0), -item.instrument.exact_pnl(position.size, position.cost, price))


def _others(account: Account, item: SymbolView, mark: Decimal) -> tuple[Decimal, Decimal]:
    """Maintenance margin and unrealized profit of the account's other positions."""
    position = venue_position(account, item.instrument.symbol)
    if position is None:
        return account.maintenance_margin, account.unrealized_pnl
    own = item.instrument.maintenance_margin(item.instrument.notional(position.size, mark))
    return max(ZERO, account.maintenance_margin - own), account.unrealized_pnl - position.unrealized_pnl


def loss_per_contract(instrument: Instrument, side: Side, entry: Decimal, stop: Decimal) -> Fraction:
    """What one contract loses from ``entry`` to ``stop``, taker fees of both sides included."""
    one = Decimal(side.sign)
    loss = -instrument.exact_pnl(one, instrument.cost(one, entry), stop)
    fee = Fraction(max(ZERO, instrument.taker_fee))
    return loss + fee * (abs(instrument.cost(one, entry)) + abs(instrument.cost(one, stop)))
