"""`filmjacket status`."""

from typing import Any, Final

import httpx
from fj_local.inspection import State, inspect
from fj_local.stack import Stack
from rich.table import Table

from filmjacket.terminal import console

_MIB: Final = 1024 * 1024
_WIDTH: Final = 120
_YES, _NO, _NONE = "[green]yes[/green]", "[red]no[/red]", "[dim]-[/dim]"


def status() -> None:
    """One line per process: running, ready, address, memory, lag, dead letters."""
    stack = Stack.from_environment()
    table = Table("process", "running", "ready", "address", box=None, padding=(0, 2), header_style="dim")
    for column in ("memory", "lag", "dead"):
        table.add_column(column, justify="right")
    states = list(inspect(stack.home, stack.ports))
    for state in states:
        table.add_row(*_row(state))
    # One line per process, also where the window is narrow or there is none.
    console.print(table, width=max(console.width, _WIDTH), crop=False, soft_wrap=True)
    total = sum(state.memory or 0 for state in states)
    console.print(f"[dim]{total // _MIB} MiB in {stack.home.path}[/dim]", highlight=False)


def _row(state: State) -> tuple[str, ...]:
    memory = f"{state.memory // _MIB} MiB" if state.memory is not None else _NONE
    lag, dead = _backlog(state)
    return (
        state.name,
        _YES if state.running else _NO,
        _YES if state.ready else _NO,
        " ".join(state.addresses),
        memory,
        lag,
        dead,
    )


def _backlog(state: State) -> tuple[str, str]:
    """Facts that the service has not handled yet, and those that it could not handle."""
    if state.service is None or state.name != state.service or not state.ready:
        return _NONE, _NONE
    base = f"{state.addresses[0]}/api/{state.service}"
    lag, dead = _ask(f"{base}/lag"), _ask(f"{base}/dead-letters")
    return _NONE if lag is None else str(lag), _NONE if dead is None else str(dead)


def _ask(address: str) -> Any:
    try:
        answer = httpx.get(address, timeout=2)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.is_success else None
