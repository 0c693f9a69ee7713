"""``import contractdesk`` costs next to nothing; the heavy libraries load when they are needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "aiohttp", "anywidget", "asyncio", "bqplot", "ccxt", "ipykernel", "IPython", "ipywidgets", "keyring",
    "numba", "numpy", "pandas", "papermill", "pyarrow", "sqlite3", "talib", "traitlets", "typer",
    "websockets",
)  # fmt: skip
PROBE = """
import json, resource, sys
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
before = cpu()
import contractdesk
spent = cpu() - before
print(json.dumps({"spent_s": spent, "modules": sorted(sys.modules), "names": dir(contractdesk)}))
"""


def probe() -> dict[str, object]:
    output = subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True, text=True).stdout
    return json.loads(output)  # type: ignore[no-any-return]


def test_importing_costs_at_most_three_tenths_of_a_second_of_cpu() -> None:
    assert min(float(str(probe()["spent_s"])) for _ in range(2)) <= 0.3


def test_importing_loads_no_heavy_library() -> None:
    modules = probe()["modules"]
    assert isinstance(modules, list)
    assert not {name for name in HEAVY if name in modules}


def test_the_terminals_halt_loads_no_engine() -> None:
    """It is typed in a hurry."""
    code = "import sys, contractdesk.cli, contractdesk.console.remote; print(*sys.modules, sep='\\n')"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert not {"numpy", "contractdesk.engine", "contractdesk.desk.session"} & set(output.split())


def test_every_public_name_resolves_and_is_documented() -> None:
    import contractdesk

    for name in contractdesk.__all__:
        assert getattr(contractdesk, name).__doc__, name
    assert set(contractdesk.__all__) < set(dir(contractdesk))


def test_an_unknown_name_is_an_attribute_error() -> None:
    import contractdesk

    with pytest.raises(AttributeError, match="nonsense"):
        contractdesk.nonsense  # noqa: B018  # the access is the test
