"""What the mark does to accounts: funding, margin calls, liquidation."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from contractdesk.exchange import margin
from contractdesk.exchange.accounts import Account
from contractdesk.exchange.algos import Algos
from contractdesk.exchange.events import AccountChanged, ForcedOrder, FundingHappened, MarginCall
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.rows import ZERO, Balance, FundingRate
from contractdesk.exchange.terms import money
from contractdesk.exchange.trading import Trading
from contractdesk.exchange.words import AccountReason, LedgerKind, SymbolStatus

MARGIN_CALL_RATIO = Decimal("0.8")
NS_PER_MS = 1_000_000


class Clearing:
    """The house: it collects funding, warns, and closes what can no longer be carried."""

    def __init__(self, floor: Floor, trading: Trading, algos: Algos) -> None:
        self._floor = floor
        self._trading = trading
        self._algos = algos

    def settle_funding(self, symbol: str, rate: Decimal, ts_ns: int) -> FundingRate:
        """Apply ``rate`` at the last mark to every position; ``ts_ns`` is the settlement's time."""
        floor, listing = self._floor, self._floor.listings[symbol]
        mark = floor.marks[symbol].mark_price
        settled = FundingRate(symbol=symbol, rate=rate, mark_price=mark, ts_ns=ts_ns)
        floor.emit(FundingHappened(ts_ns=floor.now_ns, funding=settled))
        for account in floor.accounts.values():
            entry = account.fund(listing, rate, mark, ts_ns)
            if entry is not None:
                floor.emit(
                    AccountChanged(
                        ts_ns=floor.now_ns,
                        account=account.name,
                        reason=AccountReason.FUNDING_FEE,
                        balances=(margin.balance(floor, account, listing.asset),),
                        positions=(margin.position(floor, account, symbol),),
                        change=entry.amount,
                    )
                )
        return settled

    def review(self, symbol: str) -> None:
        """Check every account that holds ``symbol`` against its maintenance margin."""
        asset = self._floor.listings[symbol].asset
        for account in list(self._floor.accounts.values()):
            if account.holdings[symbol].lots:
                self._review(account, asset)

    def _review(self, account: Account, asset: str) -> None:
        balance = margin.balance(self._floor, account, asset)
        if balance.margin_balance <= balance.maintenance_margin:
            self._liquidate(account, asset)
        elif balance.maintenance_margin >= MARGIN_CALL_RATIO * balance.margin_balance:
            self._warn(account, balance)
        else:
            account.warned.discard(asset)

    def _warn(self, account: Account, balance: Balance) -> None:
        """Once, until the account has recovered."""
        if balance.asset in account.warned:
            return
        account.warned.add(balance.asset)
        held = [s for s in margin.symbols_of(self._floor, balance.asset) if account.holdings[s].lots]
        self._floor.emit(
            MarginCall(
                ts_ns=self._floor.now_ns,
                account=account.name,
                asset=balance.asset,
                wallet=balance.wallet,
                positions=tuple(margin.position(self._floor, account, s) for s in held),
            )
        )

    def _liquidate(self, account: Account, asset: str) -> None:
        """Cancel all orders, then close positions, the most demanding first, until it can be carried.

        What the book cannot absorb now is tried again at the next mark.
        """
        floor = self._floor
        for symbol in margin.symbols_of(floor, asset):
            self._algos.expire_all(account.name, symbol, "liquidation")
            for resting in floor.orders.resting(account.name, symbol):
                self._trading.cancel_order(floor.orders.rows[resting.order_id], "liquidation")
        for symbol in self._by_maintenance(account, asset):
            balance = margin.balance(floor, account, asset)
            if balance.margin_balance > balance.maintenance_margin:
                break
            self._close(account, symbol)
        flat = not any(account.holdings[s].lots for s in margin.symbols_of(floor, asset))
        if flat and account.wallets[asset] < 0:
            self._clear(account, asset, -account.wallets[asset], "")

    def close_part(self, account: Account, symbol: str, lots: int, client_id: str) -> None:
        """Force ``lots`` of a position closed in the book; its orders stay."""
        listing = self._floor.listings[symbol]
        order = self._trading.liquidate(account, listing, client_id, lots)
        self._floor.emit(ForcedOrder(ts_ns=self._floor.now_ns, order=order))

    def delist(self, symbol: str) -> None:
        """End all trading: every order expires, every position is settled at the mark."""
        floor, listing = self._floor, self._floor.listings[symbol]
        floor.statuses[symbol] = SymbolStatus.CLOSE
        tick = int(floor.marks[symbol].mark_price / listing.instrument.tick_size)
        for account in floor.accounts.values():
            self._algos.expire_all(account.name, symbol, "delisted")
            for resting in floor.orders.resting(account.name, symbol):
                self._trading.cancel_order(floor.orders.rows[resting.order_id], "delisted")
            if account.holdings[symbol].lots:
                client_id = f"settlement_autoclose-{floor.now_ns // NS_PER_MS}"
                self._trading.settle(account, listing, client_id, tick)

    def adjust(self, account: Account, asset: str, amount: Decimal) -> None:
        """Change a wallet without a word of explanation."""
        floor = self._floor
        account.book(LedgerKind.ADJUSTMENT, asset, amount, floor.now_ns)
        floor.emit(
            AccountChanged(
                ts_ns=floor.now_ns,
                account=account.name,
                reason=AccountReason.ADJUSTMENT,
                balances=(margin.balance(floor, account, asset),),
                positions=(),
                change=amount,
            )
        )

    def _by_maintenance(self, account: Account, asset: str) -> list[str]:
        held = [s for s in margin.symbols_of(self._floor, asset) if account.holdings[s].lots]
        return sorted(held, key=lambda s: -margin.standing(self._floor, account, s).maintenance)

    def _close(self, account: Account, symbol: str) -> None:
        """Force one position closed and charge the clearance fee, as far as the wallet goes."""
        floor, listing = self._floor, self._floor.listings[symbol]
        client_id = f"autoclose-{floor.now_ns // NS_PER_MS}"
        order = self._trading.liquidate(account, listing, client_id)
        floor.emit(ForcedOrder(ts_ns=floor.now_ns, order=order))
        if not order.executed:
            return
        lots = int(order.executed / listing.instrument.lot_size)
        worth = listing.value_at(lots, Fraction(order.average_price))
        fee = min(money(worth * listing.liquidation_fee), max(ZERO, account.wallets[listing.asset]))
        if fee:
            self._clear(account, listing.asset, -fee, symbol)

    def _clear(self, account: Account, asset: str, amount: Decimal, symbol: str) -> None:
        floor = self._floor
        account.book(LedgerKind.INSURANCE_CLEAR, asset, amount, floor.now_ns, symbol=symbol)
        floor.emit(
            AccountChanged(
                ts_ns=floor.now_ns,
                account=account.name,
                reason=AccountReason.INSURANCE_CLEAR,
                balances=(margin.balance(floor, account, asset),),
                positions=(),
                change=amount,
            )
        )
