"""The one way to a compiled kernel: numba, cached on disk.

Importing this module imports numba (0.6 s of CPU), so only modules of kernels do, and those are
themselves imported when the first object that needs them is made.

Kernels keep the GIL: they last microseconds, and a thread that lets go of it while a cell computes
waits for the interpreter's switch interval to get it back (measured: 115 us a call on average,
instead of 0.3).
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
BYTES = numba.types.Bytes(numba.types.uint8, 1, "C", readonly=True)  # a ``bytes`` object
ROW = numba.types.Array(INT, 1, "C")
GRID = numba.types.Array(INT, 2, "C")
_tuple_of: Any = numba.types.UniTuple  # its stub has no types
PAIR = _tuple_of(INT, 2)


def kernel(signature: object) -> Callable[[F], F]:
    """Compile for exactly this signature when the module is imported; later, read it from the cache.

    What is returned is the compiled entry itself: numba's dispatcher would spend 0.3 us a call to
    find the only signature there is. Wrong types of arguments are a TypeError. The cache looks at
    the file of the kernel alone: after a change here, delete ``__pycache__/*.nb?``.
    """

    def compiled(function: F) -> F:
        dispatcher: Any = numba.njit(signature, cache=True, error_model="numpy")(function)
        (only,) = dispatcher.overloads.values()
        return cast("F", only.entry_point)

    return compiled


def part(function: F) -> F:
    """A function that kernels of the same file call; it becomes part of each."""
    return cast("F", numba.njit(error_model="numpy", forceinline=True)(function))
