"""What an account may set: leverage, margin mode, position mode; and transfers."""

from __future__ import annotations

from collections.abc import Iterable

from contractdesk.exchange import margin
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.algos import Algos
from contractdesk.exchange.events import AccountChanged, ConfigChanged
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.requests import SetLeverage, SetMarginMode, SetPositionMode, Transfer
from contractdesk.exchange.rows import ZERO, AccountConfig, LedgerEntry
from contractdesk.exchange.words import (
    AccountReason,
    LedgerKind,
    MarginMode,
    Reason,
    Refused,
)


class Configuring:
    """Settings and cash of the accounts of one floor."""

    def __init__(self, floor: Floor, algos: Algos) -> None:
        self._floor = floor
        self._algos = algos

    def set_leverage(self, request: SetLeverage) -> AccountConfig:
        """Within the brackets, and only as far as the margin of what stands allows."""
        floor = self._floor
        account, listing = floor.account(request.account), floor.listing(request.symbol)
        if not 1 <= request.leverage <= listing.max_leverage:
            raise Refused(Reason.LEVERAGE_INVALID, str(request.leverage))
        before = account.leverage[listing.symbol]
        exposure = margin.standing(floor, account, listing.symbol).exposure
        if exposure > listing.max_notional(request.leverage):
            raise Refused(Reason.MAX_POSITION_AT_LEVERAGE, str(request.leverage))
        account.leverage[listing.symbol] = request.leverage
        if request.leverage < before and margin.free_margin(floor, account, listing.asset) < 0:
            account.leverage[listing.symbol] = before
            raise Refused(Reason.INSUFFICIENT_MARGIN, str(request.leverage))
        return self._report(account, listing.symbol)

    def set_margin_mode(self, request: SetMarginMode) -> AccountConfig:
        """Only while the symbol is flat and without open orders."""
        account, listing = self._floor.account(request.account), self._floor.listing(request.symbol)
        if account.margin_mode[listing.symbol] is request.mode:
            raise Refused(Reason.MARGIN_MODE_UNCHANGED, request.mode.value)
        if self._has_orders(account, [listing.symbol]):
            raise Refused(Reason.MARGIN_MODE_ORDERS)
        if account.holdings[listing.symbol].lots:
            raise Refused(Reason.MARGIN_MODE_POSITION)
        account.margin_mode[listing.symbol] = request.mode
        return margin.config(self._floor, account, listing.symbol)

    def set_position_mode(self, request: SetPositionMode) -> AccountConfig:
        """Only while the whole account is flat and without open orders."""
        account = self._floor.account(request.account)
        if account.position_mode is request.mode:
            raise Refused(Reason.POSITION_MODE_UNCHANGED, request.mode.value)
        if self._has_orders(account, self._floor.listings):
            raise Refused(Reason.POSITION_MODE_ORDERS)
        if any(holding.lots for holding in account.holdings.values()):
            raise Refused(Reason.POSITION_MODE_POSITION)
        account.position_mode = request.mode
        return AccountConfig(
            symbol="",
            leverage=0,
            margin_mode=MarginMode.CROSS,
            position_mode=request.mode,
            max_notional=ZERO,
        )

    def transfer(self, request: Transfer) -> LedgerEntry:
        """Deposit, or withdraw what is available."""
        floor, asset = self._floor, request.asset
        account = floor.account(request.account)
        if request.amount < 0 and -request.amount > margin.balance(floor, account, asset).available:
            raise Refused(Reason.INSUFFICIENT_BALANCE, f"{-request.amount} {asset}")
        entry = account.book(LedgerKind.TRANSFER, asset, request.amount, floor.now_ns)
        changed = AccountChanged(
            ts_ns=floor.now_ns,
            account=account.name,
            reason=AccountReason.DEPOSIT if request.amount > 0 else AccountReason.WITHDRAW,
            balances=(margin.balance(floor, account, asset),),
            positions=(),
            change=request.amount,
        )
        floor.emit(changed)
        return entry

    def _has_orders(self, account: Account, symbols: Iterable[str]) -> bool:
        return any(
            self._floor.orders.resting(account.name, symbol) or self._algos.open_of(account.name, symbol)
            for symbol in symbols
        )

    def _report(self, account: Account, symbol: str) -> AccountConfig:
        config = margin.config(self._floor, account, symbol)
        self._floor.emit(ConfigChanged(ts_ns=self._floor.now_ns, account=account.name, config=config))
        return config
