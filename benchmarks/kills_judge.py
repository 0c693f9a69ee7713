"""What the exchange's own books say of a cycle: pure functions of its state, its log and the desk's words.

The state keeps when each stop was accepted and when it left, and when each fill was made: from them the
time without a stop follows to the nanosecond, which no sampling from outside could give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby, pairwise
from typing import Any

from contractdesk.domain.orders import OrderRole
from contractdesk.engine import client_ids

Row = dict[str, Any]
ZERO = Decimal(0)
NS_PER_MS = 1_000_000
LATE_NS = 50 * NS_PER_MS
CREATES = ("/fapi/v1/order", "/fapi/v1/algoOrder")
SIGN = {"BUY": 1, "SELL": -1}
SYMBOL = "BTCUSDT"


# -- the books: what differs between the desk's and the exchange's ---------------------------------


def differences(account: Row, told: Row, opening: Decimal, states: Iterable[str], since_ns: int) -> list[str]:
    """Each in words; none: the desk has recovered."""
    return [
        *_unready(told, states),
        *_positions(account, told),
        *_orders(account, told, since_ns),
        *(f"fill {each} is not booked" for each in lost_fills(account, told, since_ns)),
        *_money(account, told, opening),
    ]


def _unready(told: Row, states: Iterable[str]) -> Iterator[str]:
    if told["state"] not in states:
        yield f"the desk is {told['state']} ({told['reason']})"
    if not told["ready"]:
        yield "the private stream is not reconciled"
    if told["fault"]:
        yield f"fault: {told['fault']}"
    if told["guardian"] != "watching":
        yield f"its guardian is {told['guardian']}"
    if told["unknown"]:
        yield f"outcomes are unknown: {told['unknown']}"


def _positions(account: Row, told: Row) -> Iterator[str]:
    for symbol in {*account["positions"], *told["positions"]}:
        there, ours = held(account, symbol), told["positions"].get(symbol)
        size = Decimal(ours["size"]) if ours else ZERO
        if ours and Decimal(ours["external"]):
            yield f"{symbol}: {ours['external']} contracts count as somebody else's"
        if size != there:
            yield f"{symbol}: the desk has {size}, the exchange {there}"
        if ours and ours["flattening"]:
            yield f"{symbol}: is being closed: {ours['flattening']}"
        if ours and Decimal(ours["guarded"]) != abs(size):
            yield f"{symbol}: {ours['guarded']} of {size} contracts are guarded"
    stops = [row for row in account["open_algo_orders"] if row["symbol"] == SYMBOL]
    wanted = 1 if held(account, SYMBOL) else 0
    if len(stops) != wanted or any(not _covers(row, held(account, SYMBOL)) for row in stops):
        yield f"{held(account, SYMBOL)} contracts stand under {[row['quantity'] for row in stops]}"


def _orders(account: Row, told: Row, since_ns: int) -> Iterator[str]:
    there = {row["client_id"] for row in (*account["open_orders"], *account["open_algo_orders"])}
    if there != set(told["open"]):
        yield f"open at the exchange {sorted(there)}, at the desk {sorted(told['open'])}"
    for row in account["orders"]:
        known = told["filled"].get(row["client_id"])
        if row["created_ns"] >= since_ns and known is not None and Decimal(known) != Decimal(row["executed"]):
            yield f"{row['client_id']} has filled {row['executed']}, at the desk {known}"


def _money(account: Row, told: Row, opening: Decimal) -> Iterator[str]:
    """By two ways: what the desk was told, and what follows from every fill that it has booked."""
    there = Decimal(account["balances"]["USDT"]["wallet"])
    booked = opening + sum((Decimal(row["net"]) for row in told["positions"].values()), ZERO)
    if Decimal(told["wallet"]) != there:
        yield f"the wallet is {there}, at the desk {told['wallet']}"
    if booked != there:
        yield f"the wallet is {there}, by the desk's fills {booked}"


def lost_fills(account: Row, told: Row, since_ns: int) -> list[str]:
    """Made since then, and not booked exactly once; identities as the desk has them."""
    booked = Counter(told["fills"])
    made = [
        f"{row['trade_id']}{'+' if row['side'] == 'BUY' else '-'}"
        for row in account["fills"]
        if row["ts_ns"] >= since_ns
    ]
    return [identity for identity in made if booked[identity] != 1]


def held(account: Row, symbol: str = SYMBOL) -> Decimal:
    return Decimal(account["positions"].get(symbol, {}).get("size", "0"))


# -- the orders: how often each was sent, and by whom ----------------------------------------------


def duplicates(
    rows: Iterable[Row], sent_before: set[str], account: Row, since_ns: int, wishes: int
) -> list[str]:
    """Ids that were sent twice, and entries beyond one a wish."""
    sent = Counter(row["client_id"] for row in rows if _creates(row))
    found = [f"{each} was sent {times} times" for each, times in sent.items() if times > 1]
    found += [f"{each} was sent in an earlier cycle, too" for each in sent if each in sent_before]
    entries = [
        row["client_id"]
        for row in account["orders"]
        if row["created_ns"] >= since_ns and _role(row["client_id"]) is OrderRole.ENTRY
    ]
    if len(entries) > wishes:
        found.append(f"{len(entries)} entries were accepted for {wishes} wishes: {entries}")
    return found


def opened_by_others(rows: Iterable[Row], epochs: set[int]) -> list[str]:
    """Creates that could open a position, under an epoch that no desk here has had: a guardian's."""
    return [
        f"{row['client_id']} could open a position, and is not a desk's"
        for row in rows
        if _creates(row) and not row["reduce_only"] and _epoch(row["client_id"]) not in epochs
    ]


def sent(rows: Iterable[Row]) -> set[str]:
    return {row["client_id"] for row in rows if _creates(row)}


def _creates(row: Row) -> bool:
    return row["method"] == "POST" and row["path"] in CREATES


def _role(client_id: str) -> OrderRole | None:
    parsed = client_ids.parse(client_id)
    return parsed.role if parsed else None


def _epoch(client_id: str) -> int:
    parsed = client_ids.parse(client_id)
    return parsed.epoch if parsed else -1


# -- the stops: when there were how many -----------------------------------------------------------


def longest_naked_ms(account: Row, since_ns: int) -> float:
    """The longest time since then in which a position had no live stop as large as itself."""
    longest = began = 0
    for at_ns, size, stops in _history(account, since_ns):
        bare = bool(size) and not any(_covers(row, size) for row in stops)
        if bare and not began:
            began = at_ns
        if began:
            longest = max(longest, at_ns - began)
        if not bare:
            began = 0
    return longest / NS_PER_MS


def most_stops(account: Row, rows: Iterable[Row], since_ns: int, brief_ms: float) -> int:
    """The most stops that were live at once since then.

    Not counted is one beyond two that stood for less than ``brief_ms`` beside one that was executed late.
    """
    late = _late(account, rows)
    spans = [(at_ns, {row["client_id"] for row in stops}) for at_ns, _, stops in _history(account, since_ns)]
    most = 0
    for crowded, group in groupby(pairwise([*spans, (account["now_ns"], set())]), lambda p: len(p[0][1]) > 2):
        pairs = list(group)
        began_ns, ended_ns = pairs[0][0][0], pairs[-1][1][0]
        brief = crowded and ended_ns - began_ns < brief_ms * NS_PER_MS
        count = max(len(ids) for (_, ids), _ in pairs)
        if brief and all(ids & late for (_, ids), _ in pairs):
            count -= 1
        most = max(most, count)
    return most


def _late(account: Row, rows: Iterable[Row]) -> set[str]:
    """Stops that were accepted a while after their request had come."""
    came = {row["client_id"]: row["ns"] for row in rows if _creates(row)}
    stops = account["algo_orders"]
    return {
        row["client_id"]
        for row in stops
        if row["created_ns"] - came.get(row["client_id"], row["created_ns"]) > LATE_NS
    }


def _history(account: Row, since_ns: int) -> Iterator[tuple[int, Decimal, list[Row]]]:
    """From each change on: the position and the stops that are live; the last one is now."""
    fills = [row for row in account["fills"] if row["symbol"] == SYMBOL]
    stops = [row for row in account["algo_orders"] if row["symbol"] == SYMBOL]
    stops = [row for row in stops if not row["closed_ns"] or row["closed_ns"] >= since_ns]
    size = held(account) - sum((_signed(row) for row in fills if row["ts_ns"] >= since_ns), ZERO)
    fresh = [row for row in fills if row["ts_ns"] >= since_ns]
    times = {since_ns, account["now_ns"], *(row["ts_ns"] for row in fresh)}
    times |= {row[name] for row in stops for name in ("created_ns", "closed_ns")}
    moments = sorted(at_ns for at_ns in times if at_ns >= since_ns)
    for at_ns, until_ns in pairwise([*moments, account["now_ns"] + 1]):
        size += sum((_signed(row) for row in fresh if row["ts_ns"] == at_ns), ZERO)
        live = [row for row in stops if row["created_ns"] <= at_ns and not 0 < row["closed_ns"] < until_ns]
        yield at_ns, size, live


def _signed(fill: Row) -> Decimal:
    return SIGN[fill["side"]] * Decimal(fill["quantity"])


def _covers(stop: Row, size: Decimal) -> bool:
    closing = SIGN[stop["side"]] * size < 0
    return closing and bool(stop["reduce_only"]) and Decimal(stop["quantity"]) >= abs(size)
