"""`filmjacket storage`: what only the archive's operator does."""

import subprocess
from typing import Annotated, Final

import typer
from fj_local.credentials import load_credentials
from fj_local.program import halt, launch
from fj_local.services import PROCESSES, SERVICES, Deployment, Process, script
from fj_local.stack import Stack

app: Final = typer.Typer(help="The archive's index.", no_args_is_help=True)
SERVICE: Final = "storage"


@app.callback()
def group() -> None:
    """The archive's index."""


@app.command()
def due(on: Annotated[str, typer.Option(help="A day, YYYY-MM-DD; by default today.")] = "") -> None:
    """Print which studies the rules of FJ_LIFECYCLE would retire; nothing is done."""
    raise typer.Exit(_run("due", *(("--on", on) if on else ())))


@app.command()
def rebuild() -> None:
    """Make the index anew from the packs alone; the service stands still meanwhile."""
    stack = Stack.as_started()
    deployment, process = _deployment(stack)
    with stack.home.locked():
        ran = halt(stack.home, process.name)
        try:
            code = _run("rebuild-from-packs")
        finally:
            if ran:
                launch(stack.home, deployment.program(process))
    raise typer.Exit(code)


def _run(*arguments: str) -> int:
    """The exit code of `storage-service` with these arguments, in the surroundings of the running one."""
    deployment, process = _deployment(Stack.as_started())
    return subprocess.run([script(SERVICE), *arguments], env=deployment.environment(process), check=False).returncode


def _deployment(stack: Stack) -> tuple[Deployment, Process]:
    deployment = Deployment(stack.home, stack.ports, load_credentials(stack.home.secrets, SERVICES))
    (process,) = (process for process in PROCESSES if process.service == SERVICE)
    return deployment, process
