"""Columns of prices and sizes to whole ticks and lots, and back: ``Instrument.to_ticks`` for vectors.

A price that a venue prints has at most 15 significant digits, so its double is the double nearest to
``count x step``; counting, dividing again and comparing is therefore exact, below ``MOST`` counts.
"""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

MOST = 10**15  # counts: beyond, neighbours on the grid may share a double


class Grid:
    """Multiples of ``step``, which is ``numerator / 10**decimals``."""

    def __init__(self, step: Decimal) -> None:
        """ValueError for a step that is not positive, or finer than 1e-22."""
        _, digits, exponent = step.normalize().as_tuple()
        if not isinstance(exponent, int) or step <= 0 or exponent < -22:
            raise ValueError(f"no grid has the step {step}")
        self.step = step
        number = int("".join(map(str, digits)))
        self._numerator = number * 10 ** max(exponent, 0)
        self._denominator = float(10 ** max(-exponent, 0))

    def count(self, values: Floats) -> tuple[Ints, Mask]:
        """Multiples of the step, and which of ``values`` are such; the others count as 0."""
        finite = np.isfinite(values)
        guess = np.rint(np.where(finite, values, 0.0) * self._denominator / self._numerator)
        near = finite & (np.abs(guess) * self._numerator < MOST)
        counts = np.where(near, guess, 0.0).astype(np.int64)
        exact = near & (self.values(counts) == values)
        return np.where(exact, counts, 0), exact

    def values(self, counts: Ints) -> Floats:
        """The double nearest to each multiple."""
        whole: Floats = (counts * self._numerator).astype(np.float64)
        return whole / self._denominator


def finest(values: Floats, most_decimals: int = 10) -> Decimal | None:
    """The power of ten that divides all finite ``values``; None where they have more decimals."""
    finite = values[np.isfinite(values)]
    for decimals in range(most_decimals + 1):
        step = Decimal(1).scaleb(-decimals)
        if bool(Grid(step).count(finite)[1].all()):
            return step
    return None
