"""Balances, positions, configuration and ledger as the REST endpoints show them.

https://developers.binance.com/docs/derivatives/usds-margined-futures/account/rest-api
https://developers.binance.com/docs/derivatives/coin-margined-futures/account/rest-api
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from contractdesk.domain.instrument import Instrument
from contractdesk.exchange.model import (
    ZERO,
    AccountConfig,
    AccountState,
    Balance,
    LedgerEntry,
    MarginMode,
    Position,
    PositionMode,
)
from contractdesk.exchange.wire.binance.product import COINM, pair_of, product_of
from contractdesk.exchange.wire.binance.text import Face, Json, average, money, plain, size


def balance_row(balance: Balance, account: str, face: Face) -> Json:
    """One row of /balance."""
    return {
        "accountAlias": account[:8],
        "asset": balance.asset,
        "balance": money(balance.wallet),
        "crossWalletBalance": money(balance.wallet),
        "crossUnPnl": money(balance.unrealized),
        "availableBalance": money(balance.available),
        "maxWithdrawAmount": money(min(balance.available, balance.wallet)),
        "marginAvailable": True,
        "updateTime": face.ms(balance.updated_ns),
    }


def balance_coin(balance: Balance, account: str, face: Face) -> Json:
    """One row of /dapi/v1/balance."""
    return {
        "accountAlias": account[:8],
        "asset": balance.asset,
        "balance": money(balance.wallet),
        "withdrawAvailable": money(min(balance.available, balance.wallet)),
        "crossWalletBalance": money(balance.wallet),
        "crossUnPnl": money(balance.unrealized),
        "availableBalance": money(balance.available),
        "updateTime": face.ms(balance.updated_ns),
    }


def account_v3(state: AccountState, face: Face) -> Json:
    """/fapi/v3/account: positions only of symbols with a position or an open order."""
    used = [p for p in state.positions if p.size or p.open_order_initial_margin]
    return {
        **_totals(state.balances),
        "assets": [_asset(balance, face) for balance in state.balances],
        "positions": [_position_v3(position, state, face) for position in used],
    }


def account_v2(state: AccountState, face: Face) -> Json:
    """/fapi/v2/account: one position row for each symbol."""
    return {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        **_totals(state.balances),
        "assets": [{**_asset(balance, face), "marginAvailable": True} for balance in state.balances],
        "positions": [_position_v2(position, face) for position in state.positions],
    }


def account_coin(state: AccountState, largest: Mapping[str, Decimal], face: Face) -> Json:
    """/dapi/v1/account; ``largest`` has the position, in base, that each symbol's leverage allows."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "assets": [_asset(balance, face) for balance in state.balances],
        "positions": [
            {**_position_v2(position, face), "maxQty": plain(largest[position.symbol])}
            for position in state.positions
        ],
    }


def _totals(balances: tuple[Balance, ...]) -> Json:
    def total(values: list[Decimal]) -> str:
        return money(sum(values, ZERO))

    return {
        "totalInitialMargin": total([b.initial_margin for b in balances]),
        "totalMaintMargin": total([b.maintenance_margin for b in balances]),
        "totalWalletBalance": total([b.wallet for b in balances]),
        "totalUnrealizedProfit": total([b.unrealized for b in balances]),
        "totalMarginBalance": total([b.margin_balance for b in balances]),
        "totalPositionInitialMargin": total([b.position_initial_margin for b in balances]),
        "totalOpenOrderInitialMargin": total([b.open_order_initial_margin for b in balances]),
        "totalCrossWalletBalance": total([b.wallet for b in balances]),
        "totalCrossUnPnl": total([b.unrealized for b in balances]),
        "availableBalance": total([b.available for b in balances]),
        "maxWithdrawAmount": total([min(b.available, b.wallet) for b in balances]),
    }


def _asset(balance: Balance, face: Face) -> Json:
    return {
        "asset": balance.asset,
        "walletBalance": money(balance.wallet),
        "unrealizedProfit": money(balance.unrealized),
        "marginBalance": money(balance.margin_balance),
        "maintMargin": money(balance.maintenance_margin),
        "initialMargin": money(balance.initial_margin),
        "positionInitialMargin": money(balance.position_initial_margin),
        "openOrderInitialMargin": money(balance.open_order_initial_margin),
        "crossWalletBalance": money(balance.wallet),
        "crossUnPnl": money(balance.unrealized),
        "availableBalance": money(balance.available),
        "maxWithdrawAmount": money(min(balance.available, balance.wallet)),
        "updateTime": face.ms(balance.updated_ns),
    }


def _position_v3(position: Position, state: AccountState, face: Face) -> Json:
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": plain(position.size),
        "unrealizedProfit": money(position.unrealized),
        "isolatedMargin": "0.00000000",
        "notional": plain(position.notional),
        "isolatedWallet": "0",
        "initialMargin": money(position.initial_margin + position.open_order_initial_margin),
        "maintMargin": money(position.maintenance_margin),
        "updateTime": face.ms(position.updated_ns or state.updated_ns),
    }


def _position_v2(position: Position, face: Face) -> Json:
    return {
        "symbol": position.symbol,
        "initialMargin": money(position.initial_margin + position.open_order_initial_margin),
        "maintMargin": money(position.maintenance_margin),
        "unrealizedProfit": money(position.unrealized),
        "positionInitialMargin": money(position.initial_margin),
        "openOrderInitialMargin": money(position.open_order_initial_margin),
        "leverage": str(position.leverage),
        "isolated": position.margin_mode is MarginMode.ISOLATED,
        "entryPrice": average(position.entry_price),
        "breakEvenPrice": average(position.break_even_price),
        "bidNotional": plain(position.bid_notional),
        "askNotional": plain(position.ask_notional),
        "positionSide": "BOTH",
        "positionAmt": plain(position.size),
        "updateTime": face.ms(position.updated_ns),
    }


def position_risk_v3(position: Position, terms: Instrument, face: Face) -> Json:
    """One row of /fapi/v3/positionRisk."""
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": size(terms, position.size),
        "entryPrice": average(position.entry_price),
        "breakEvenPrice": average(position.break_even_price),
        "markPrice": money(position.mark_price),
        "unRealizedProfit": money(position.unrealized),
        "liquidationPrice": plain(position.liquidation_price),
        "isolatedMargin": "0",
        "notional": plain(position.notional),
        "marginAsset": terms.settle,
        "isolatedWallet": "0",
        "initialMargin": money(position.initial_margin + position.open_order_initial_margin),
        "maintMargin": money(position.maintenance_margin),
        "positionInitialMargin": money(position.initial_margin),
        "openOrderInitialMargin": money(position.open_order_initial_margin),
        "adl": 1 if position.size else 0,
        "bidNotional": plain(position.bid_notional),
        "askNotional": plain(position.ask_notional),
        "updateTime": face.ms(position.updated_ns),
    }


def position_risk_v2(position: Position, config: AccountConfig, terms: Instrument, face: Face) -> Json:
    """One row of /fapi/v2/positionRisk: with leverage and margin type."""
    return {
        "symbol": position.symbol,
        "positionAmt": size(terms, position.size),
        "entryPrice": average(position.entry_price),
        "breakEvenPrice": average(position.break_even_price),
        "markPrice": money(position.mark_price),
        "unRealizedProfit": money(position.unrealized),
        "liquidationPrice": plain(position.liquidation_price),
        "leverage": str(position.leverage),
        "maxNotionalValue": plain(config.max_notional),
        "marginType": position.margin_mode.value,
        "isolatedMargin": "0.00000000",
        "isAutoAddMargin": "false",
        "positionSide": "BOTH",
        "notional": plain(position.notional),
        "isolatedWallet": "0",
        "updateTime": face.ms(position.updated_ns),
    }


def position_risk_coin(position: Position, config: AccountConfig, terms: Instrument, face: Face) -> Json:
    """One row of /dapi/v1/positionRisk."""
    row = position_risk_v2(position, config, terms, face)
    row["notionalValue"] = row.pop("notional")  # in base
    row["maxQty"] = row.pop("maxNotionalValue")
    return row


def account_config(mode: PositionMode) -> Json:
    """/fapi/v1/accountConfig."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": mode is PositionMode.HEDGE,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_config(config: AccountConfig) -> Json:
    """One row of /fapi/v1/symbolConfig."""
    return {
        "symbol": config.symbol,
        "marginType": "CROSSED" if config.margin_mode is MarginMode.CROSS else "ISOLATED",
        "isAutoAddMargin": "false",
        "leverage": config.leverage,
        "maxNotionalValue": plain(config.max_notional),
    }


def income_row(entry: LedgerEntry, face: Face) -> Json:
    """One row of /fapi/v1/income."""
    return {
        "symbol": entry.symbol,
        "incomeType": entry.kind.value,
        "income": money(entry.amount),
        "asset": entry.asset,
        "info": entry.info or (str(entry.trade_id) if entry.trade_id else entry.kind.value),
        "time": face.ms(entry.ts_ns),
        "tranId": entry.entry_id,
        "tradeId": str(entry.trade_id) if entry.trade_id else "",
    }


def brackets(terms: Instrument) -> Json:
    """One row of leverageBracket."""
    return {"symbol": terms.venue_symbol, "notionalCoef": 1.0, "brackets": _tiers(terms)}


def pair_brackets(terms: Instrument) -> Json:
    """One row of /dapi/v1/leverageBracket."""
    return {"pair": pair_of(terms), "brackets": _tiers(terms)}


def _tiers(terms: Instrument) -> list[Json]:
    """By notional in quote; COIN-M's by quantity in base."""
    what = "qty" if product_of(terms) is COINM else "notional"
    return [
        {
            "bracket": number,
            "initialLeverage": int(tier.max_leverage),
            f"{what}Cap": int(tier.cap),
            f"{what}Floor": int(tier.floor),
            "maintMarginRatio": float(tier.maintenance_rate),
            "cum": float(tier.maintenance_amount),
        }
        for number, tier in enumerate(terms.tiers, 1)
    ]


def commission(terms: Instrument) -> Json:
    """commissionRate."""
    row: Json = {
        "symbol": terms.venue_symbol,
        "makerCommissionRate": plain(terms.maker_fee),
        "takerCommissionRate": plain(terms.taker_fee),
    }
    return row if product_of(terms) is COINM else {**row, "rpiCommissionRate": plain(terms.maker_fee)}
