"""`filmjacket status`."""

from typing import Any, Final

import httpx
from fj_local.inspection import State, inspect
from fj_local.stack import Stack

from filmjacket.terminal import console

_MIB: Final = 1024 * 1024
_NONE: Final = "-"
_TITLES: Final = ("process", "running", "ready", "memory", "lag", "dead", "address")


def status() -> None:
    """One line per process: running, ready, memory, lag, dead letters, address."""
    stack = Stack.as_started()
    states = list(inspect(stack.home, stack.ports))
    _line(_TITLES, "dim")
    for state in states:
        _line(_row(state), "" if state.ready else "yellow" if state.running else "red")
    total = sum(state.memory or 0 for state in states)
    _line((f"{total // _MIB} MiB in {stack.home.path}",), "dim")


def _line(cells: tuple[str, ...], style: str) -> None:
    """Never folded, whatever the window's width: scripts read it too."""
    text = "{:<12} {:<8} {:<6} {:>9} {:>7} {:>6}  {}".format(*cells) if len(cells) == len(_TITLES) else cells[0]
    console.print(text, style=style, highlight=False, markup=False, soft_wrap=True)


def _row(state: State) -> tuple[str, ...]:
    memory = f"{state.memory // _MIB} MiB" if state.memory is not None else _NONE
    running, ready = ("yes" if value else "no" for value in (state.running, state.ready))
    return (state.name, running, ready, memory, *_backlog(state), " ".join(state.addresses))


def _backlog(state: State) -> tuple[str, str]:
    """Facts that the service has not handled yet, and those that it could not handle."""
    if state.service is None or state.name != state.service or not state.ready:
        return _NONE, _NONE
    base = f"{state.addresses[0]}/api/{state.service}"
    lag, dead = _ask(f"{base}/lag"), _ask(f"{base}/dead-letters?limit=1")
    return str(lag.get("lag", _NONE)), str(dead.get("total", _NONE))


def _ask(address: str) -> dict[str, Any]:
    """What the service says of itself; nothing, where it has no such address."""
    try:
        answer = httpx.get(address, timeout=5)
    except httpx.HTTPError:
        return {}
    return dict(answer.json()) if answer.is_success else {}
