"""Commands that come as Debian packages: installed as root, else asked for in one line."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from typing import Final

from fj_local.errors import MissingPackages

PACKAGES: Final[Mapping[str, str]] = {
    "mvn": "maven",
    "npm": "npm",
    "storescu": "dcmtk",
}
"""Command -> the package that has it."""


def ensure(*commands: str) -> None:
    """Have these commands, installing what is missing. Raises MissingPackages when not root."""
    missing = sorted({PACKAGES[command] for command in commands if shutil.which(command) is None})
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise MissingPackages(f"Filmjacket needs these packages: sudo apt-get install -y {' '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", *step], check=True, env=environment, stdin=subprocess.DEVNULL)
