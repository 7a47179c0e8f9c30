"""`filmjacket dlq`: the facts that a service could not handle."""

import subprocess
from typing import Annotated, Final

import typer
from fj_local.credentials import load_credentials
from fj_local.services import PROCESSES, SERVICES, Deployment, script
from fj_local.stack import Stack

from filmjacket.errors import NoSuchThing

app: Final = typer.Typer(help="Dead letters: facts that a service could not handle.", no_args_is_help=True)
Service = Annotated[str, typer.Argument(help="The service that could not handle them.")]


@app.command("list")
def list_(service: Service) -> None:
    """What lies there, and why."""
    raise typer.Exit(_ask(service, "dlq", "list"))


@app.command()
def replay(
    service: Service, ids: Annotated[list[int] | None, typer.Argument(help="Which; without any, all of them.")] = None
) -> None:
    """Feed dead letters to their service again."""
    raise typer.Exit(_ask(service, "dlq", "replay", *map(str, ids)) if ids else _ask(service, "replay"))


@app.command()
def drop(service: Service, ids: Annotated[list[int], typer.Argument(help="Which.")]) -> None:
    """Give dead letters up for good; later facts of their keys go on."""
    raise typer.Exit(_ask(service, "dlq", "drop", *map(str, ids)))


def _ask(service: str, *arguments: str) -> int:
    """The service's own command knows; it needs only the service's settings, not a running process."""
    if service not in SERVICES:
        raise NoSuchThing(f"no service {service!r}; there are: {', '.join(SERVICES)}")
    stack = Stack.as_started()
    process = next(process for process in PROCESSES if process.service == service)
    deployment = Deployment(stack.home, stack.ports, load_credentials(stack.home.secrets, SERVICES))
    command = [script(service), *arguments]
    return subprocess.run(command, env=deployment.environment(process), check=False).returncode
