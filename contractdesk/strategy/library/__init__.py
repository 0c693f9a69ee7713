"""Strategies that are ready to run."""

from contractdesk.strategy.library.trend import EntryStyle, TrendFollow

__all__ = ["EntryStyle", "TrendFollow"]
