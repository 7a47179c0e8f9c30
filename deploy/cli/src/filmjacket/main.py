"""The program `filmjacket`."""

import sys
from typing import Final

import typer
from fj_local.errors import StackError

from filmjacket.commands import clean_data, demo, dlq, down, exam, hl7, import_, logs, status, storage, tail, up
from filmjacket.terminal import errors

app: Final = typer.Typer(
    name="filmjacket",
    help="Operate a Filmjacket stack. FJ_HOME names its folder, FJ_PORT_OFFSET moves its ports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("up")(up.up)
app.command("down")(down.down)
app.command("clean-data")(clean_data.clean_data)
app.command("status")(status.status)
app.command("logs")(logs.logs)
app.command("exam")(exam.exam)
app.command("import")(import_.import_)
app.command("tail")(tail.tail)
app.command("demo")(demo.demo)
app.add_typer(dlq.app, name="dlq")
app.add_typer(hl7.app, name="hl7")
app.add_typer(storage.app, name="storage")


def main() -> None:
    """Run a command; what the operator can mend is said in plain words, without a traceback."""
    try:
        app()
    except StackError as error:
        errors.print(f"[bold red]{type(error).__name__}[/bold red]: {error}", highlight=False)
        sys.exit(1)
