"""Where the kernel's numbers lie: one row of control, one row a symbol."""

from __future__ import annotations

FOREVER = 1 << 62

# -- control: a row of int64 --------------------------------------------------------------------
VENUE, DESK = 0, 1  # cursors: the next trade that the venue makes, and that the desk hears
ROWS = 2  # there are
DUE = 3  # not a moment from this one on
GRID, STEP = 4, 5  # the next mark's venue time, and the time between marks
DELAY = 6  # of marks, until the desk hears them
TURN = 7  # whose mark is next, where several are due at once
LAST_BATCH = 8  # 1: nothing comes after these rows
SYMBOLS = 9
RUN_MOST, RUN_PLACE = 10, 11  # so many trades of one that listens may be heard in one go; 0: it stops at each
RUN = 12  # that were
BAR_DUE, BAR_STEP = 13, 14  # when the desk's clock closes the open bars next, and the time between closes
BAR_LIMIT, BAR_MOST = 15, 16  # none is closed after this moment, nor more than so many in one go
BARS = 17  # that were
CONTROLS = 18

# -- a symbol: a row of int64 -------------------------------------------------------------------
PRICE_LOW, PRICE_HIGH = 0, 1  # a trade at or beyond one of them is the venue's business
MARK_LOW, MARK_HIGH = 2, 3  # and so is a mark the engine's
SIDE = 4  # of the position: which marks a later look needs; KEEP_ALL, KEEP_LAST
EACH = 5  # 1: somebody listens to every trade
TRADED = 6  # the venue's last price, ticks; 0 = none
HEARD = 7  # the desk's
OPEN, HIGH, LOW, CLOSE, LOTS, COUNT = 8, 9, 10, 11, 12, 13  # of the bar that is open
MARKS, MARK_LEAST, MARK_MOST = 14, 15, 16  # since they were told last: how many are kept, and the extremes
NEWS, NEWS_NS = 17, 18  # trades heard since they were told last, and when anything was heard last
FIELDS = 19
OHLCV = 5  # numbers of a closed bar: ticks (0 = nothing was ever heard) and lots

KEEP_LAST, KEEP_ALL = 0, 2  # +1 and -1: those that no later one is above, or below

# -- why the kernel stops -----------------------------------------------------------------------
AT_DUE, AT_PRICE, AT_MARK, AT_TRADE, AT_ROWS_END, AT_END, AT_MARKS_FULL, AT_BARS = 0, 1, 2, 3, 4, 5, 6, 7
