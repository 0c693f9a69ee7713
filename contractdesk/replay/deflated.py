"""The deflated Sharpe ratio: how much of the best of many trials is luck.

D. H. Bailey and M. Lopez de Prado, "The Deflated Sharpe Ratio: Correcting for Selection Bias, Backtest
Overfitting, and Non-Normality", Journal of Portfolio Management 40 (5), 2014, pages 94-107. With Sharpe
ratios that are **not annualised**, and Z the distribution function of the standard normal::

    SR0 = sqrt(V) ((1 - g) Zinv(1 - 1/N) + g Zinv(1 - 1/(N e)))
    DSR = Z((SR - SR0) sqrt(T - 1) / sqrt(1 - skew SR + (kurtosis - 1)/4 SR^2))

N trials whose Sharpe ratios have the variance V, T returns, g = Euler's constant. SR0 is what the best
of N trials without any skill is expected to show. N means independent trials: neighbours in a grid are
not, and to count them all errs on the side of caution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, variance

EULER_GAMMA = 0.5772156649015329
_NORMAL = NormalDist()


def expected_best(ratios_variance: float, trials: int) -> float:
    """SR0: the Sharpe ratio that the best of ``trials`` (>= 1) has by luck alone; 0 for one trial.

    The ratios, and so what is returned, are by observation, not by year. ValueError where there are none.
    """
    if trials < 1 or ratios_variance < 0:
        raise ValueError(f"{trials} trials of variance {ratios_variance} have no best one")
    if trials == 1:
        return 0.0
    high = _NORMAL.inv_cdf(1 - 1 / trials)
    higher = _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return math.sqrt(ratios_variance) * ((1 - EULER_GAMMA) * high + EULER_GAMMA * higher)


def deflated_sharpe(
    ratio: float, benchmark: float, *, observations: int, skew: float, kurtosis: float
) -> float:
    """The probability that the true Sharpe ratio is above ``benchmark``; NaN below two observations.

    ``ratio`` and ``benchmark`` (SR0 of ``expected_best``) are by observation, ``kurtosis`` is 3 for a
    normal distribution.
    """
    if observations < 2:
        return math.nan
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio * ratio
    if spread <= 0:  # no distribution has such moments, but rounding may
        return math.nan
    return _NORMAL.cdf((ratio - benchmark) * math.sqrt(observations - 1) / math.sqrt(spread))


def ratios_variance(ratios: Sequence[float]) -> float:
    """V of the trials' Sharpe ratios, unbiased; 0 for fewer than two."""
    return variance(ratios) if len(ratios) > 1 else 0.0
