"""`filmjacket logs SERVICE`."""

import sys
import time
from pathlib import Path
from typing import Annotated, Final

import typer
from fj_local.home import Home
from fj_local.program import tail

from filmjacket.errors import NoSuchThing

_EVERY: Final = 0.2


def logs(
    service: Annotated[str, typer.Argument(help="A process of `filmjacket status`, such as order or kafka.")],
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the process writes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 50,
) -> None:
    """The last lines that a process has written."""
    home = Home.from_environment()
    path = home.log(service)
    if not path.exists():
        known = ", ".join(sorted(log.stem for log in home.logs.glob("*.log"))) or "none"
        raise NoSuchThing(f"no process {service!r} has written a log in {home.logs}; there are: {known}")
    end = path.stat().st_size
    print(tail(home, service, lines))
    while follow:
        time.sleep(_EVERY)
        end = _copy_from(path, end)


def _copy_from(path: Path, end: int) -> int:
    """Write what came since, and say where it ends now. A log that was set aside begins anew."""
    with path.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(end if size >= end else 0)
        sys.stdout.write(log.read().decode(errors="replace"))
        sys.stdout.flush()
        return log.tell()
