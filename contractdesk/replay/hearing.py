"""Trades that a strategy listens to, many in one call.

Nothing can lie between two of them that the walk would have stopped for, and a callback that wishes
nothing and looks at nothing changes nothing; so the engine is told of the others, the book and the
marks as late as of what nobody listens to. Where a callback wishes or looks, the walk is taken back to
the trade that was being told: then everything is as if they had been told one by one.
"""

from __future__ import annotations

from contractdesk.domain.events import TradePrinted
from contractdesk.domain.passing import MarketPassed
from contractdesk.engine.engine import Engine
from contractdesk.replay.tape import ROOM, State, Tape
from contractdesk.replay.telling import Teller

FEWEST = 8  # trades in one go, after one with a consequence; twice as many each time that none has any


class Hearing:
    def __init__(self, tape: Tape, teller: Teller, engine: Engine) -> None:
        self._tape = tape
        self._teller = teller
        self._engine = engine
        self._most = FEWEST
        self._begun: State | None = None  # where the walk was before the trades that are being told
        self._first = 0  # number of the first of them
        self._place = 0
        self._last: TradePrinted | None = None  # with a consequence

    def begin(self, place: int) -> list[TradePrinted]:
        """The trades to tell, that which the walk has stopped at first; no mark may be waiting."""
        tape = self._tape
        self._place, self._begun, self._last = place, tape.state(), None
        trades = self._teller.trades(place, *tape.columns(tape.run(place, self._most)))
        self._first = trades[0].trade_id
        return trades

    def passed(self) -> MarketPassed | None:
        """What has passed; of trades that are being told, only what was before the present one."""
        trade, begun = self._engine.hearing, self._begun
        if trade is None or begun is None:
            return self._teller.passed()
        self._begun, self._last = None, trade
        self._tape.go_back(begun)
        self._tape.run(self._place, trade.trade_id - self._first)
        told = self._teller.passed()
        self._tape.hear_trade()
        self._teller.unsay(trade)
        return told

    def end(self) -> TradePrinted | None:
        """The trade that has had a consequence: the book around it is to be told; None where none had."""
        self._begun = None
        self._most = min(2 * self._most, ROOM) if self._last is None else FEWEST
        return self._last
