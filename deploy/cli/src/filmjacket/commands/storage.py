"""`filmjacket storage`: what only the archive's operator does."""

import subprocess
from typing import Final

import typer
from fj_local.credentials import load_credentials
from fj_local.program import halt, launch
from fj_local.services import PROCESSES, SERVICES, Deployment, script
from fj_local.stack import Stack

app: Final = typer.Typer(help="The archive's index.", no_args_is_help=True)
SERVICE: Final = "storage"


@app.callback()
def group() -> None:
    """The archive's index."""


@app.command()
def rebuild() -> None:
    """Make the index anew from the packs alone; the service stands still meanwhile."""
    stack = Stack.as_started()
    deployment = Deployment(stack.home, stack.ports, load_credentials(stack.home.secrets, SERVICES))
    (process,) = (process for process in PROCESSES if process.service == SERVICE)
    command = [script(SERVICE), "rebuild-from-packs"]
    with stack.home.locked():
        ran = halt(stack.home, process.name)
        try:
            code = subprocess.run(command, env=deployment.environment(process), check=False).returncode
        finally:
            if ran:
                launch(stack.home, deployment.program(process))
    raise typer.Exit(code)
