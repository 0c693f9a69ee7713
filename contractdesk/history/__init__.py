"""Recorded markets: fetch them, or import dumps, captures and tapes; check them, and load them.

::

    cd.history.fetch("BTC/USDT:USDT", since="2026-11-01", kind="candles", timeframe="1m")

    report = cd.history.import_("APEUSDT-aggTrades-2024-10-18.zip", venue="binance",
                                symbol="APE/USDT:USDT", kind="agg_trades", tick="0.0001", lot="1")
    for part in cd.history.load("APE/USDT:USDT", kind="agg_trades").batches(["venue_ns", "ticks"]):
        part.terms, part.data  # ticks and lots are integers of these terms
"""

from contractdesk.history.fetching import FetchStopped as FetchStopped
from contractdesk.history.fetching import fetch as fetch
from contractdesk.history.findings import Finding as Finding
from contractdesk.history.findings import FindingKind as FindingKind
from contractdesk.history.findings import Severity as Severity
from contractdesk.history.importing import check as check
from contractdesk.history.importing import import_ as import_
from contractdesk.history.loading import History as History
from contractdesk.history.loading import load as load
from contractdesk.history.report import Report as Report
from contractdesk.storage.schema import Kind as Kind
from contractdesk.storage.terms import Terms as Terms

__all__ = [
    "FetchStopped",
    "Finding",
    "FindingKind",
    "History",
    "Kind",
    "Report",
    "Severity",
    "Terms",
    "check",
    "fetch",
    "import_",
    "load",
]
