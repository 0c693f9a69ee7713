"""What the synthetic desk tells beside its market: gauges, refusals, notices, payments, latencies."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.commands import Severity
from contractdesk.domain.events import FundingPaid
from contractdesk.domain.intents import Gauge, Intent, IntentKind, Refused
from contractdesk.domain.views import Latency, Notice

SYMBOL = "BTC/USDT:USDT"
START_NS = 1_680_652_680_000_000_000  # 2023-04-04 23:58 UTC


def refusals() -> tuple[Refused, ...]:
    return (
        Refused(
            symbol=SYMBOL,
            rule="size_cap",
            found="451.20 USDT",
            limit="300.00 USDT",
            would_pass="a size of 0.010 or less",
            intent=Intent(kind=IntentKind.ENTER, symbol=SYMBOL),
            intent_id=3,
            strategy_id="TrendFollow-1",
            ts_ns=START_NS + 2 * 10**9,
        ),
    )


def risk(notional: Decimal, equity: Decimal) -> tuple[Gauge, ...]:
    cap = f"<= 3 % of equity ({equity * 3 / 100:.2f} USDT)"
    share = f"{notional / equity * 100:.2f} % of equity ({notional:.2f} USDT)"
    return (
        Gauge(rule="trading_state", found="ACTIVE", limit="ACTIVE", passed=True),
        Gauge(
            rule="breaker",
            found="-0.02 % within 300 s",
            limit="> -8 % of equity within 300 s",
            passed=True,
            left="7.98 % of equity",
            then="HALTED, BTC/USDT:USDT left under its stop",
        ),
        Gauge(
            rule="margin_guard",
            found="0.10 % of equity in use",
            limit="<= 85 % of equity",
            passed=True,
            left="84.90 % of equity",
            then="BTC/USDT:USDT closed; stops stay till then",
        ),
        Gauge(
            rule="trailing_stop",
            found="stop 28131.5, 2.5 x ATR(14) of 1s bars behind 28152.5",
            limit="never looser",
            passed=True,
            left="BTC/USDT:USDT moves at 28160.2",
        ),
        Gauge(
            rule="funding_gate",
            found="+0.01 % in 1 settlements",
            limit="<= +0.05 % in 8 h for longs",
            passed=True,
            left="0.04 %",
            then="long entries would be refused",
        ),
        Gauge(
            rule="open_interest",
            found="0.21 % below: 84000.004 of 84176.120 BTC",
            limit="at most 5 % below the highest of 3600 s",
            passed=True,
            left="4031.8 BTC",
            then="entries would be refused",
        ),
        Gauge(
            rule="freshness_book",
            found="alive, 0.1 s old",
            limit="alive within 2 s",
            passed=True,
            left="1.9 s",
        ),
        Gauge(rule="freshness_mark", found="0.2 s old", limit="at most 5 s old", passed=True, left="4.8 s"),
        Gauge(
            rule="feeds",
            found="clock 12 s off",
            limit="<= 5 s off",
            passed=False,
            would_pass="a right clock",
        ),
        Gauge(rule="size_cap", found=f"{SYMBOL}: {share}", limit=cap, passed=True),
        Gauge(rule="margin", found="0.10 % of equity in use", limit="<= 9990.12 USDT available", passed=True),
        Gauge(
            rule="hard_stop",
            found="1 of 1 positions protected",
            limit="every contract under a stop",
            passed=True,
            left="0.07 % to the stop of BTC/USDT:USDT",
            then="BTC/USDT:USDT closed at 28131.5: -0.15 USDT",
        ),
    )


def payments() -> tuple[FundingPaid, ...]:
    return (
        FundingPaid(
            ts_ns=START_NS - 10**9, symbol=SYMBOL, payment_id="f-1", amount=Decimal("-0.0283"),
            venue_ns=START_NS - 10**9,
        ),
    )  # fmt: skip


def latencies() -> tuple[Latency, ...]:
    buckets = ((8.47, 3), (10.59, 9), (13.23, 4), (16.54, 0), (20.68, 1))
    return (
        Latency(name="signal to answer", count=17, p50_ms=10.59, p99_ms=20.68, max_ms=18.2, buckets=buckets),
        Latency(name="order round trip", count=17, p50_ms=9.1, p99_ms=17.4, max_ms=16.9, buckets=buckets),
    )


def notices() -> tuple[Notice, ...]:
    return (
        Notice(ts_ns=START_NS, severity=Severity.INFO, code="reconciled", message="Equal to the venue."),
        Notice(
            ts_ns=START_NS + 10**9,
            severity=Severity.WARNING,
            code="book_gap",
            message="A depth message was missed; the book was fetched again in 0.2 s.",
            symbol=SYMBOL,
        ),
    )
