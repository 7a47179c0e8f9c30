"""The OHIF viewer: the prebuilt application from npm, unpacked once into the cache."""

import gzip
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from fj_local import debian
from fj_local.cache import cache, fetching
from fj_local.errors import MissingPackages
from fj_local.servers import Say

# Named with its version: under Node 20 npm would take an older one without a word.
PACKAGE: Final = "@ohif/app@3.13.2"
_COMPRESSED: Final = frozenset({".js", ".css", ".wasm", ".svg", ".json"})
_SMALL: Final = 4096


def installation(say: Say) -> Path | None:
    """The folder with the application; None, and one line said, when npm is missing or the package cannot be had."""
    folder = cache() / PACKAGE.rpartition("/")[2].replace("@", "-ohif-")
    try:
        if not folder.exists():
            with fetching(folder):
                _fetch(folder, say)
    except MissingPackages as missing:
        say(f"going on without the viewer. {missing}")
        return None
    except (subprocess.CalledProcessError, OSError) as error:
        say(f"going on without the viewer: {PACKAGE} could not be fetched ({error})")
        return None
    return folder


def _fetch(folder: Path, say: Say) -> None:
    if folder.exists():
        return
    debian.ensure("npm")
    say(f"fetching the viewer {PACKAGE}")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        # Packed, not installed: it is a finished application, and one of its dependencies does not exist.
        command = ["npm", "pack", PACKAGE, "--silent", "--pack-destination", temporary]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=600)
        archive = next(Path(temporary).glob("*.tgz"))
        with tarfile.open(archive) as packed:
            wanted = [member for member in packed if not member.name.endswith(".map")]
            # By attribute: Debian's Python 3.11 has neither the filter nor the parameter.
            packed.extraction_filter = getattr(tarfile, "data_filter", None)
            packed.extractall(temporary, wanted)  # noqa: S202 - a pinned package, filtered where Python can
        application = Path(temporary) / "package" / "dist"
        _compress(application)
        application.rename(folder)


def _compress(application: Path) -> None:
    """Beside each file what the gateway sends of it: 20 MB of scripts are 4 MB, and nobody compresses them again."""
    for file in application.glob("*"):
        if file.suffix in _COMPRESSED and file.stat().st_size > _SMALL:
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes(), mtime=0))
