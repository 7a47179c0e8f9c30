"""`filmjacket hl7`: what the HL7 doors make of messages."""

import base64
import getpass
import os
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final
from uuid import UUID

import httpx
import typer
from fj_hl7 import BadMessage, BatchNotMessage, Message, split_batch
from fj_local.services import script
from fj_local.stack import Stack

from filmjacket.errors import NoSuchThing, NotReachable
from filmjacket.terminal import console, say

app: Final = typer.Typer(help="HL7 v2 messages.", no_args_is_help=True)
_DOORS: Final = {"ADT": "patient", "SIU": "scheduling", "ORU": "reporting", "MDM": "reporting"}
_REPLAY_SECONDS: Final = 300
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


@app.command()
def replay(
    service: Annotated[str, typer.Argument(help="Whose door: patient, order, scheduling or reporting.")],
    *,
    application: Annotated[str | None, typer.Option(help="Of this sending application (MSH-3) alone.")] = None,
    facility: Annotated[str | None, typer.Option(help="Of this sending facility (MSH-4) alone.")] = None,
    since: Annotated[datetime | None, typer.Option(help="What came since then.")] = None,
    until: Annotated[datetime | None, typer.Option(help="What came before then.")] = None,
) -> None:
    """Have refused messages tried again, in the order in which they came. Exit code 1: one was refused again."""
    chosen: dict[str, object] = {"application": application, "facility": facility}
    chosen |= {name: at.astimezone().isoformat() for name, at in (("since", since), ("until", until)) if at}
    address = f"http://127.0.0.1:{Stack.as_started().ports['gateway']}/api/{service}/messages/replay"
    headers = {"X-FJ-User": f"{getpass.getuser()} (command line)"}
    if token := os.environ.get("FJ_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    try:
        answer = httpx.post(address, json=chosen, headers=headers, timeout=_REPLAY_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        raise NotReachable(f"{address}: {error}") from error
    tried = answer.json()
    for each in tried:
        line = f"{each['control_id']:<24} {each['before']} -> {each['after']}  {'; '.join(each['errors'])}".rstrip()
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    taken = sum(each["after"] == "AA" for each in tried)
    say(f"{len(tried)} tried again, {taken} taken")
    raise typer.Exit(0 if taken == len(tried) else 1)


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
    needed = {
        f"{prefix}_POSTGRES": "postgresql://none",
        "FJ_PATIENT_NAMESPACE": str(UUID(int=0)),
        "FJ_HL7_KEYS": base64.b64encode(bytes(32)).decode(),
    }
    given = {"FJ_SITES": str(sites)} if sites else {}
    return needed | dict(os.environ) | given | {f"{prefix}_LOG_LEVEL": "ERROR"}
