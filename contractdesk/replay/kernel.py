"""The horizon kernel: walks the ticks until somebody must think, and decides nothing.

Two cursors go over the same trades: the venue's, which the resting orders wait for, and the desk's,
which hears each of them later and builds bars and marks of them. At one moment marks come first,
then what the venue does, then what the desk hears.
"""

from __future__ import annotations

from contractdesk.domain.compiled import INT, ROW, Ints, ints_of, kernel, part
from contractdesk.replay.walk_layout import (
    AT_BARS,
    AT_DUE,
    AT_END,
    AT_MARK,
    AT_MARKS_FULL,
    AT_PRICE,
    AT_ROWS_END,
    AT_TRADE,
    BAR_DUE,
    BAR_LIMIT,
    BAR_MOST,
    BAR_STEP,
    BARS,
    CLOSE,
    COUNT,
    DELAY,
    DESK,
    DUE,
    EACH,
    FIELDS,
    FOREVER,
    GRID,
    HEARD,
    HIGH,
    KEEP_ALL,
    KEEP_LAST,
    LAST_BATCH,
    LOTS,
    LOW,
    MARK_HIGH,
    MARK_LEAST,
    MARK_LOW,
    MARK_MOST,
    MARKS,
    NEWS,
    NEWS_NS,
    OHLCV,
    OPEN,
    PRICE_HIGH,
    PRICE_LOW,
    ROWS,
    RUN,
    RUN_MOST,
    RUN_PLACE,
    SIDE,
    STEP,
    SYMBOLS,
    TRADED,
    TURN,
    VENUE,
)


@part
def _keep_mark(row: Ints, at: int, kept: Ints, start: int, ts: int, ticks: int) -> None:
    """Add a mark to those that a later look may need: on the position's side the falling peaks."""
    count, side = row[at + MARKS], row[at + SIDE]
    if count == 0:
        row[at + MARK_LEAST] = row[at + MARK_MOST] = ticks
    else:
        row[at + MARK_LEAST] = min(row[at + MARK_LEAST], ticks)
        row[at + MARK_MOST] = max(row[at + MARK_MOST], ticks)
    if side == KEEP_LAST:
        count = 0
    elif side != KEEP_ALL:
        while count > 0 and side * kept[start + 2 * count - 1] <= side * ticks:
            count -= 1
    kept[start + 2 * count], kept[start + 2 * count + 1] = ts, ticks
    row[at + MARKS] = count + 1
    row[at + NEWS_NS] = ts


@part
def _hear(row: Ints, at: int, ts: int, ticks: int, lots: int) -> None:
    """The desk hears a trade: it moves the open bar."""
    if row[at + COUNT] == 0:
        row[at + OPEN] = row[at + HIGH] = row[at + LOW] = ticks
    elif ticks > row[at + HIGH]:
        row[at + HIGH] = ticks
    elif ticks < row[at + LOW]:
        row[at + LOW] = ticks
    row[at + CLOSE] = row[at + HEARD] = ticks
    row[at + LOTS] += lots
    row[at + COUNT] += 1
    row[at + NEWS] += 1
    row[at + NEWS_NS] = ts


@part
def _close_bar(row: Ints, at: int, bars: Ints, to: int) -> None:
    """The open bar ends; without a trade it is flat at the last one's price."""
    price = row[at + HEARD]
    if row[at + COUNT] == 0:
        row[at + OPEN] = row[at + HIGH] = row[at + LOW] = row[at + CLOSE] = price
    bars[to], bars[to + 1], bars[to + 2] = row[at + OPEN], row[at + HIGH], row[at + LOW]
    bars[to + 3], bars[to + 4] = row[at + CLOSE], row[at + LOTS]
    row[at + COUNT] = row[at + LOTS] = 0


@kernel(INT(ROW, ROW, ROW, ROW, ROW, ROW, ROW, ROW, ROW, ROW, INT))
def walk(  # noqa: C901  (one loop: a call a tick would cost more than the tick)
    ts_: Ints,
    heard_: Ints,
    ticks_: Ints,
    lots_: Ints,
    which_: Ints,
    control: Ints,
    symbols: Ints,
    kept: Ints,
    picked: Ints,
    closed: Ints,
    room: int,
) -> int:
    """Go on until ``control[DUE]``, or until something happens; returns why it stopped.

    ``ts`` and ``heard`` (ns) ascend, and nothing is heard before it happened. ``kept`` has ``room``
    marks of two numbers for each symbol. Where it stops at a trade or mark, that one is not done yet.
    The trades that were heard in one go (``RUN``) are named in ``picked``, by their rows. ``closed`` has
    the bars that were closed in one go (``BARS``): of each close the bar of each symbol.
    """
    ts, heard, ticks = ints_of(ts_), ints_of(heard_), ints_of(ticks_)
    lots, which = ints_of(lots_), ints_of(which_)
    own, row, marks = ints_of(control), ints_of(symbols), ints_of(kept)
    n, due, step, delay = own[ROWS], own[DUE], own[STEP], own[DELAY]
    venue, desk, grid = own[VENUE], own[DESK], own[GRID]
    final, count = own[LAST_BATCH], own[SYMBOLS]
    most, run_place, run, chosen = own[RUN_MOST], own[RUN_PLACE], 0, ints_of(picked)
    bars, bar_most, made, bar_due = 0, own[BAR_MOST], ints_of(closed), own[BAR_DUE]
    stop = min(due, bar_due) if bar_most > 0 else due
    why = -1
    while why < 0:
        if venue == desk:  # what is heard as it is made, and is nobody's business, is most of the tape
            fence = min(stop, grid + delay)
            while desk < n and ts[desk] < fence and heard[desk] == ts[desk]:
                at, price = which[desk] * FIELDS, ticks[desk]
                if row[at + EACH] != 0 or price <= row[at + PRICE_LOW] or price >= row[at + PRICE_HIGH]:
                    break
                row[at + TRADED] = price
                _hear(row, at, ts[desk], price, lots[desk])
                desk += 1
            venue = desk
        if venue == n and final == 0:
            why = AT_ROWS_END
            break
        traded = ts[venue] if venue < n else FOREVER
        listened = heard[desk] if desk < n else FOREVER
        marked = grid + delay
        if traded == FOREVER and listened == FOREVER:
            why = AT_END
        elif min(traded, listened, marked) >= stop:
            if bars == bar_most or bar_due > own[BAR_LIMIT]:
                why = AT_DUE
            else:
                for s in range(count):
                    _close_bar(row, s * FIELDS, made, (bars * count + s) * OHLCV)
                bars, bar_due = bars + 1, bar_due + own[BAR_STEP]
                stop = min(due, bar_due)
                if bars == bar_most:
                    why = AT_BARS
        elif marked <= traded and marked <= listened:
            for s in range(own[TURN], count):
                at = s * FIELDS
                price = row[at + HEARD]
                if price == 0:
                    continue
                if price <= row[at + MARK_LOW] or price >= row[at + MARK_HIGH]:
                    why = AT_MARK
                elif row[at + MARKS] >= room:
                    why = AT_MARKS_FULL
                if why >= 0:
                    own[TURN] = s
                    break
                _keep_mark(row, at, marks, s * room * 2, marked, price)
            if why < 0:
                own[TURN] = 0
                grid += step
        elif traded <= listened:
            at, price = which[venue] * FIELDS, ticks[venue]
            row[at + TRADED] = price
            if price <= row[at + PRICE_LOW] or price >= row[at + PRICE_HIGH]:
                why = AT_PRICE
            else:
                venue += 1
        elif row[which[desk] * FIELDS + EACH] != 0 and (run == most or which[desk] != run_place):
            why = AT_TRADE
        else:
            if row[which[desk] * FIELDS + EACH] != 0:
                chosen[run] = desk
                run += 1
            _hear(row, which[desk] * FIELDS, listened, ticks[desk], lots[desk])
            desk += 1
    own[RUN], own[BARS], own[BAR_DUE] = run, bars, bar_due
    own[VENUE], own[DESK], own[GRID] = venue, desk, grid
    return why


@kernel(INT(ROW, ROW, ROW, ROW, ROW, ROW))
def hear_one(heard_: Ints, ticks_: Ints, lots_: Ints, which_: Ints, control: Ints, symbols: Ints) -> int:
    """The desk hears the trade that ``walk`` has stopped at; returns whose it was."""
    desk = control[DESK]
    place: int = which_[desk]
    _hear(ints_of(symbols), place * FIELDS, heard_[desk], ticks_[desk], lots_[desk])
    control[DESK] = desk + 1
    return place
