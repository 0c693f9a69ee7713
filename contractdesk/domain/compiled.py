"""The one way to a compiled kernel: numba, without the GIL, cached on disk.

Importing this module imports numba (0.6 s of CPU), so only modules of kernels do, and those are
themselves imported when the first object that needs them is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
Ints = NDArray[np.int64]

# What the arguments of a kernel may be:
INT = numba.types.int64
BOOL = numba.types.boolean
BYTES = numba.types.Bytes(numba.types.uint8, 1, "C", readonly=True)  # a ``bytes`` object
ROW = numba.types.Array(INT, 1, "C")
GRID = numba.types.Array(INT, 2, "C")
_tuple_of: Any = numba.types.UniTuple  # its stub has no types
PAIR = _tuple_of(INT, 2)


def kernel(signature: object) -> Callable[[F], F]:
    """Compile for exactly this signature, when its module is imported (later: read from the cache)."""
    return cast("Callable[[F], F]", numba.njit(signature, cache=True, nogil=True))


def part(function: F) -> F:
    """A function that only kernels of the same file call."""
    return cast("F", numba.njit(nogil=True)(function))
