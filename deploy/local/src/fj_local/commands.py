"""Commands that come with Python packages of this environment."""

import shutil
import sysconfig

from fj_local.errors import NotInstalled


def installed(command: str, package: str) -> str:
    """The full path of a package's command. Raises NotInstalled."""
    scripts = sysconfig.get_path("scripts")
    found = shutil.which(command, path=scripts)
    if found is None:
        raise NotInstalled(f"no `{command}` in {scripts}: the package {package} is not installed there")
    return found
