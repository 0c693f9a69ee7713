"""Replay: the strategy that runs live, unchanged, over recorded ticks.

::

    ape = cd.history.load("APE/USDT:USDT", kind="agg_trades", start="2024-10-18")
    result = cd.replay.run(cd.library.TrendFollow(["APE/USDT:USDT"], timeframe="1m"), ape)
    result.fills, result.trips, result.equity, result.refusals, result.assumptions
    result.metrics, result.slippage, result.protection
    result.to_html("replay.html")
    cd.charts(result)  # made by the panels: a replay knows no widgets
    table = cd.sweep(cd.library.TrendFollow, {"fast": range(4, 20, 4), "slow": [26, 52]}, ape)
    walk = cd.walk_forward(cd.library.TrendFollow, {"fast": [8, 12]}, ape, train="7d", test="1d")
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
from contractdesk.replay.sweep import sweep as sweep
from contractdesk.replay.sweep_result import Sweep as Sweep
from contractdesk.replay.walking import walk_forward as walk_forward
from contractdesk.replay.walking_result import WalkForward as WalkForward

__all__ = [
    "ConstantLatency",
    "FixedSlippage",
    "MeasuredLatency",
    "Models",
    "QueueAhead",
    "Result",
    "SampledLatency",
    "SquareRootImpact",
    "Sweep",
    "TouchFill",
    "TradeThrough",
    "WalkForward",
    "contract_of",
    "run",
    "sweep",
    "walk_forward",
]
