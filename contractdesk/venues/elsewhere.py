"""What somebody else has changed in the account's modes: the person on the venue's page, another program.

The desk's sizes, margins and liquidation prices rest on leverage and modes; a change that was not its own
is told once. Pure.
"""

from __future__ import annotations

from collections.abc import Container
from decimal import Decimal

from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.events import ModesRead


class Elsewhere:
    """By unified symbol: what was known last, and what was asked for here."""

    def __init__(self) -> None:
        self._leverages: dict[str, Decimal] = {}
        self._margin_modes: dict[str, MarginMode] = {}

    def set_leverage(self, symbol: str, leverage: Decimal) -> None:
        """It is about to be set here: no news when it is so."""
        self._leverages[symbol] = leverage

    def set_margin_mode(self, symbol: str, mode: MarginMode) -> None:
        self._margin_modes[symbol] = mode

    def leverage(self, symbol: str, found: Decimal) -> str:
        """What to say of a leverage that is reported; "" = it was known, or is the first that is heard."""
        known = self._leverages.get(symbol)
        self._leverages[symbol] = found
        if known is None or known == found:
            return ""
        return f"the leverage of {symbol} was changed elsewhere from {known} to {found}"

    def modes(self, read: ModesRead, watched: Container[str]) -> list[str]:
        """What to say of a reading; symbols that are not ``watched`` may be changed by anybody."""
        said = [] if read.position_mode is PositionMode.ONE_WAY else [HEDGED]
        for symbol, leverage in read.leverages.items():
            reason = self.leverage(symbol, leverage)
            if reason and symbol in watched:
                said.append(reason)
        for symbol, mode in read.margin_modes.items():
            known = self._margin_modes.get(symbol, mode)
            self._margin_modes[symbol] = mode
            if known is not mode and symbol in watched:
                said.append(f"the margin mode of {symbol} was changed elsewhere to {mode.value}")
        return said


HEDGED = "the account was put into hedge mode elsewhere, which this desk does not trade"
