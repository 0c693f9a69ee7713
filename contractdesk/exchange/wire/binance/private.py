"""Endpoints of the account, of either product: balances, positions, modes, ledger, listen key, scopes."""

from __future__ import annotations

from contractdesk.exchange.model import (
    AccountConfig,
    LedgerKind,
    MarginMode,
    PositionMode,
    SetLeverage,
    SetMarginMode,
    SetPositionMode,
)
from contractdesk.exchange.wire.binance import account as rows
from contractdesk.exchange.wire.binance.api import Call, Endpoint, Endpoints, Security
from contractdesk.exchange.wire.binance.errors import ApiError, invalid, missing
from contractdesk.exchange.wire.binance.product import COINM, pair_of
from contractdesk.exchange.wire.binance.text import Json, plain

SUCCESS = {"code": 200, "msg": "success"}
MARGIN_TYPES = {"CROSSED": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}


def account_v3(call: Call) -> Json:
    return rows.account_v3(call.state(), call.face)


def account_v2(call: Call) -> Json:
    return rows.account_v2(call.state(), call.face)


def account_coin(call: Call) -> Json:
    most = {s: call.exchange.config(call.account, s).max_notional for s in call.listings}
    return rows.account_coin(call.state(), most, call.face)


def balance(call: Call) -> list[Json]:
    return [rows.balance_row(row, call.account, call.face) for row in call.state().balances]


def balance_coin(call: Call) -> list[Json]:
    return [rows.balance_coin(row, call.account, call.face) for row in call.state().balances]


def position_risk_v3(call: Call) -> list[Json]:
    """Only symbols with a position or an open order."""
    listing = call.optional_listing()
    return [
        rows.position_risk_v3(row, call.listings[row.symbol].instrument, call.face)
        for row in call.state().positions
        if (listing is None or row.symbol == listing.symbol) and (row.size or row.open_order_initial_margin)
    ]


def position_risk_coin(call: Call) -> list[Json]:
    """Every symbol, with leverage and margin type; by ``pair`` or ``marginAsset`` where stated."""
    pair, asset = call.params.text("pair"), call.params.text("marginAsset")
    return [
        rows.position_risk_coin(row, call.exchange.config(call.account, row.symbol), terms, call.face)
        for row in call.state().positions
        if (terms := call.listings[row.symbol].instrument)
        and pair in (None, pair_of(terms))
        and asset in (None, terms.settle)
    ]


def position_risk_v2(call: Call) -> list[Json]:
    """Every symbol, with leverage and margin type."""
    listing = call.optional_listing()
    return [
        rows.position_risk_v2(
            row,
            call.exchange.config(call.account, row.symbol),
            call.listings[row.symbol].instrument,
            call.face,
        )
        for row in call.state().positions
        if listing is None or row.symbol == listing.symbol
    ]


def account_config(call: Call) -> Json:
    return rows.account_config(call.exchange.account(call.account).position_mode)


def symbol_config(call: Call) -> list[Json]:
    listing = call.optional_listing()
    symbols = [listing.symbol] if listing else list(call.listings)
    return [rows.symbol_config(call.exchange.config(call.account, symbol)) for symbol in symbols]


def set_leverage(call: Call) -> Json:
    symbol, leverage = call.listing().symbol, call.params.need_integer("leverage")
    request = SetLeverage(account=call.account, symbol=symbol, leverage=leverage)
    config = call.handle(request, AccountConfig)
    most = "maxQty" if call.product is COINM else "maxNotionalValue"
    return {"symbol": symbol, "leverage": config.leverage, most: plain(config.max_notional)}


def set_margin_type(call: Call) -> Json:
    symbol, stated = call.listing().symbol, call.params.need("marginType").upper()
    if stated not in MARGIN_TYPES:
        raise invalid("marginType")
    request = SetMarginMode(account=call.account, symbol=symbol, mode=MARGIN_TYPES[stated])
    call.handle(request, AccountConfig)
    return dict(SUCCESS)


def position_mode(call: Call) -> Json:
    state = call.exchange.account(call.account)
    return {"dualSidePosition": state.position_mode is PositionMode.HEDGE}


def set_position_mode(call: Call) -> Json:
    dual = call.params.flag("dualSidePosition")
    if dual is None:
        raise missing("dualSidePosition")
    mode = PositionMode.HEDGE if dual else PositionMode.ONE_WAY
    call.handle(SetPositionMode(account=call.account, mode=mode), AccountConfig)
    return dict(SUCCESS)


def multi_assets(_: Call) -> Json:
    return {"multiAssetsMargin": False}


def income(call: Call) -> list[Json]:
    """The ledger; the latest entries without a start."""
    listing, limit = call.optional_listing(), call.params.limit(100, 1_000)
    kind = call.params.choice("incomeType", LedgerKind)
    start_ns, end_ns = call.since_ns(), call.until_ns()
    assets = {row.asset for row in call.listings.values()}
    found = [
        entry
        for entry in call.exchange.ledger(call.account)
        if entry.asset in assets
        and entry.kind is not LedgerKind.ADJUSTMENT
        and (listing is None or entry.symbol == listing.symbol)
        and kind in (None, entry.kind)
        and (start_ns is None or entry.ts_ns >= start_ns)
        and (end_ns is None or entry.ts_ns <= end_ns)
    ]
    page = (call.params.integer("page") or 1) - 1
    found = found[-limit:] if start_ns is None else found[page * limit : (page + 1) * limit]
    return [rows.income_row(entry, call.face) for entry in found]


def leverage_brackets(call: Call) -> list[Json]:
    listing = call.optional_listing()
    listings = [listing] if listing else call.listings.values()
    return [rows.brackets(each.instrument) for each in listings]


def pair_brackets(call: Call) -> list[Json]:
    """COIN-M's v1, by pair."""
    pair = call.params.text("pair")
    terms = [row.instrument for row in call.listings.values()]
    return [rows.pair_brackets(each) for each in terms if pair in (None, pair_of(each))]


def commission_rate(call: Call) -> Json:
    return rows.commission(call.listing().instrument)


# -- listen key: the key header is enough ----------------------------------------------------


def open_listen_key(call: Call) -> Json:
    return {"listenKey": call.api.listen_keys.open(call.owner, call.now_ns)}


def prolong_listen_key(call: Call) -> Json:
    listen_key = call.api.listen_keys.prolong(call.owner, call.now_ns)
    if listen_key is None:
        raise ApiError(-1125)
    return {"listenKey": listen_key}


def close_listen_key(call: Call) -> Json:
    if call.api.listen_keys.close(call.owner) is None:
        raise ApiError(-1125)
    return {}


# -- the wallet's side -------------------------------------------------------------------------


def api_restrictions(call: Call) -> Json:
    """https://developers.binance.com/docs/wallet/account/api-key-permission"""
    scopes = call.credential.scopes
    return {
        "ipRestrict": scopes.ip_restricted,
        "createTime": call.face.ms(call.now_ns),
        "enableReading": scopes.reading,
        "enableWithdrawals": scopes.withdrawals,
        "enableInternalTransfer": scopes.internal_transfer,
        "enableMargin": False,
        "enableFutures": scopes.futures,
        "permitsUniversalTransfer": scopes.universal_transfer,
        "enableVanillaOptions": False,
        "enableSpotAndMarginTrading": scopes.spot,
        "enablePortfolioMarginTrading": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
    }


def currencies(call: Call) -> list[Json]:
    """/sapi/v1/capital/config/getall: enough for ccxt's list of currencies."""
    assets = {row.instrument.base for row in call.exchange.listings.values()}
    assets |= {row.asset for row in call.exchange.listings.values()}
    return [_currency(asset) for asset in sorted(assets)]


def _currency(asset: str) -> Json:
    zero = dict.fromkeys(("free", "freeze", "ipoable", "ipoing", "locked", "storage", "withdrawing"), "0")
    return {
        "coin": asset,
        "name": asset,
        "depositAllEnable": False,
        "withdrawAllEnable": False,
        "isLegalMoney": False,
        "trading": True,
        "networkList": [],
        **zero,
    }


def nothing(_: Call) -> list[Json]:
    return []


R, T = Security.READ, Security.TRADE
# By what follows the product's root.
PRIVATE: Endpoints = {  # both products have these
    ("POST", "v1/leverage"): Endpoint(set_leverage, 1, T),
    ("POST", "v1/marginType"): Endpoint(set_margin_type, 1, T),
    ("GET", "v1/positionSide/dual"): Endpoint(position_mode, 30, R),
    ("POST", "v1/positionSide/dual"): Endpoint(set_position_mode, 1, T),
    ("GET", "v1/income"): Endpoint(income, 30, R),
    ("GET", "v1/commissionRate"): Endpoint(commission_rate, 20, R),
    ("POST", "v1/listenKey"): Endpoint(open_listen_key, 1, Security.KEY),
    ("PUT", "v1/listenKey"): Endpoint(prolong_listen_key, 1, Security.KEY),
    ("DELETE", "v1/listenKey"): Endpoint(close_listen_key, 1, Security.KEY),
}
PRIVATE_USDM: Endpoints = {
    ("GET", "v2/account"): Endpoint(account_v2, 5, R),
    ("GET", "v3/account"): Endpoint(account_v3, 5, R),
    ("GET", "v2/balance"): Endpoint(balance, 5, R),
    ("GET", "v3/balance"): Endpoint(balance, 5, R),
    ("GET", "v2/positionRisk"): Endpoint(position_risk_v2, 5, R),
    ("GET", "v3/positionRisk"): Endpoint(position_risk_v3, 5, R),
    ("GET", "v1/accountConfig"): Endpoint(account_config, 5, R),
    ("GET", "v1/symbolConfig"): Endpoint(symbol_config, 5, R),
    ("GET", "v1/multiAssetsMargin"): Endpoint(multi_assets, 30, R),
    ("GET", "v1/leverageBracket"): Endpoint(leverage_brackets, 1, R),
}
PRIVATE_COINM: Endpoints = {
    ("GET", "v1/account"): Endpoint(account_coin, 5, R),
    ("GET", "v1/balance"): Endpoint(balance_coin, 1, R),
    ("GET", "v1/positionRisk"): Endpoint(position_risk_coin, 1, R),
    ("GET", "v1/income"): Endpoint(income, 20, R),
    ("GET", "v1/leverageBracket"): Endpoint(pair_brackets, 1, R),
    ("GET", "v2/leverageBracket"): Endpoint(leverage_brackets, 1, R),
}
WALLET: Endpoints = {  # of no product
    ("GET", "/sapi/v1/account/apiRestrictions"): Endpoint(api_restrictions, 1, R),
    ("GET", "/sapi/v1/capital/config/getall"): Endpoint(currencies, 10, R),
    ("GET", "/sapi/v1/margin/allPairs"): Endpoint(nothing, 1, Security.KEY),
    ("GET", "/sapi/v1/asset/transfer"): Endpoint(nothing, 1, R),
    ("GET", "/sapi/v1/capital/withdraw/history"): Endpoint(nothing, 1, R),
}
