"""Replay: the strategy that runs live, unchanged, over recorded ticks.

::

    ape = cd.history.load("APE/USDT:USDT", kind="agg_trades", start="2024-10-18")
    result = cd.replay.run(cd.library.TrendFollow(["APE/USDT:USDT"], timeframe="1m"), ape)
    result.fills, result.trips, result.equity, result.refusals, result.assumptions
    result.metrics, result.slippage, result.protection
    result.to_html("replay.html")
    cd.charts(result)  # made by the panels: a replay knows no widgets
"""

from contractdesk.replay.contracts import contract_of as contract_of
from contractdesk.replay.models import ConstantLatency as ConstantLatency
from contractdesk.replay.models import FixedSlippage as FixedSlippage
from contractdesk.replay.models import MeasuredLatency as MeasuredLatency
from contractdesk.replay.models import Models as Models
from contractdesk.replay.models import QueueAhead as QueueAhead
from contractdesk.replay.models import SampledLatency as SampledLatency
from contractdesk.replay.models import SquareRootImpact as SquareRootImpact
from contractdesk.replay.models import TouchFill as TouchFill
from contractdesk.replay.models import TradeThrough as TradeThrough
from contractdesk.replay.result import Result as Result
from contractdesk.replay.run import run as run

__all__ = [
    "ConstantLatency",
    "FixedSlippage",
    "MeasuredLatency",
    "Models",
    "QueueAhead",
    "Result",
    "SampledLatency",
    "SquareRootImpact",
    "TouchFill",
    "TradeThrough",
    "contract_of",
    "run",
]
