"""What COIN-M answers in its own way.

It has no ``accountConfig`` and no ``symbolConfig``: modes and leverages are read where it shows them.
https://developers.binance.com/docs/derivatives/coin-margined-futures
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from contractdesk.venues.binance import endpoints as at
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.api import NOTHING, BinanceApi, read
from contractdesk.venues.limits import Priority

PERPETUAL = "_PERP"  # how its perpetuals' symbols end; before it stands the pair


class CoinApi(BinanceApi):
    """One account's REST face at COIN-M."""

    async def open_interest_history(
        self, symbol: str, limit: int, span: Mapping[str, str] = NOTHING
    ) -> list[rows.OpenInterestPastRow]:
        """See ``BinanceApi``. By pair and contract type: none for a delivery contract, whose type changes."""
        if not symbol.endswith(PERPETUAL):
            return []
        named = {"pair": symbol.removesuffix(PERPETUAL), "contractType": "PERPETUAL"}
        return await self._open_interest_history({**named, **span}, limit)

    async def mark_time_ms(self, symbol: str) -> int:
        """See ``BinanceApi``: a list of one."""
        reply = await self._send(at.PREMIUM_INDEX, {"symbol": symbol}, Priority.DATA, weight=10)
        return max(row.time for row in read(reply, list[rows.PremiumRow]))

    async def symbol_configs(self) -> list[rows.SymbolConfigRow]:
        """See ``BinanceApi``: from the positions, which name every symbol."""
        reply = await self._send(self.product.positions, {}, Priority.RECONCILE)
        found = read(reply, list[rows.CoinPositionRow])
        return [
            rows.SymbolConfigRow(row.symbol, rows.COIN_MARGIN_TYPES.get(row.margin_type, ""), row.leverage)
            for row in found
        ]

    async def account_config(self) -> rows.AccountConfigRow:
        """See ``BinanceApi``. There is no multi-assets mode: each coin stands for itself."""
        account, mode = await asyncio.gather(
            self._send(self.product.account, {}, Priority.RECONCILE),
            self._send(at.POSITION_MODE, {}, Priority.RECONCILE),
        )
        return rows.AccountConfigRow(
            can_trade=read(account, rows.CoinAccountRow).can_trade,
            dual_side_position=read(mode, rows.PositionModeRow).dual_side_position,
            multi_assets_margin=False,
        )
