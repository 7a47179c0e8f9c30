"""`filmjacket hl7`: what the HL7 doors make of messages."""

import os
import subprocess
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import typer
from fj_hl7 import BadMessage, BatchNotMessage, Message, split_batch
from fj_local.services import script

from filmjacket.errors import NoSuchThing

app: Final = typer.Typer(help="HL7 v2 messages.", no_args_is_help=True)
_DOORS: Final = {"ADT": "patient", "SIU": "scheduling"}
_ORDERS: Final = "order"
"""Its door also says of any other message where that belongs."""


@app.callback()
def group() -> None:
    """HL7 v2 messages."""


@app.command()
def explain(
    files: Annotated[list[Path], typer.Argument(help="Each the bytes of one frame: a message or a batch.")],
    *,
    profile: Annotated[Path | None, typer.Option(help="Site profile to try, a file or folder.")] = None,
    sites: Annotated[Path | None, typer.Option(help="FJ_SITES to read them by.")] = None,
    peer: Annotated[str, typer.Option(help="The address that the sender connects from.")] = "",
) -> None:
    """What the doors understand, field by field, and what they would answer. Nothing needs to run, nothing is sent.

    Exit code 1: one of the messages would be refused.
    """
    services: dict[str, list[Path]] = {}
    for file in files:
        services.setdefault(_service(file), []).append(file)
    options = ["--peer", peer, *(["--profile", str(profile)] if profile else [])]
    codes = [
        subprocess.run(
            [script(service), "explain", *options, *map(str, those)], env=_environment(service, sites), check=False
        ).returncode
        for service, those in services.items()
    ]
    raise typer.Exit(max(codes))


def _service(file: Path) -> str:
    """Whose door takes it."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise NoSuchThing(f"{file}: {error.strerror}") from None
    try:
        message = Message.parse(raw)
    except BatchNotMessage:
        message = Message.parse(split_batch(raw)[0])
    except BadMessage:
        return _ORDERS
    return _DOORS.get(message.code, _ORDERS)


def _environment(service: str, sites: Path | None) -> dict[str, str]:
    """The caller's settings. A reading needs no database and no key: what stands for them is used for nothing."""
    prefix = service.upper()
    needed = {f"{prefix}_POSTGRES": "postgresql://none", "FJ_PATIENT_NAMESPACE": str(UUID(int=0))}
    given = {"FJ_SITES": str(sites)} if sites else {}
    return needed | dict(os.environ) | given | {f"{prefix}_LOG_LEVEL": "ERROR"}
