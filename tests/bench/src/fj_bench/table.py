"""The table that `make bench` prints."""

from collections.abc import Iterable
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fj_bench.figure import Figure

_WIDTH: Final = 150
_CELLS: Final = 10


def table(groups: Iterable[tuple[str, list[Figure]]], caption: str) -> Table:
    """All groups, one under the other; the bar is full where a figure reaches twice what is asked for."""
    made = Table(title="Filmjacket, measured", caption=caption, caption_justify="left", width=_WIDTH)
    for heading, justify in (("", "left"), ("measured", "right"), ("bar", "right"), ("times", "right")):
        made.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=True)
    made.add_column("", no_wrap=True)
    made.add_column("note", ratio=1)
    for name, figures in groups:
        made.add_section()
        made.add_row(Text(name, style="bold"))
        for figure in figures:
            made.add_row(f"  {figure.what}", figure.measured, figure.bar, *_verdict(figure), figure.note)
    return made


def line(figure: Figure) -> str:
    """A figure as soon as it is known, before the table is."""
    bar = f"  (bar {figure.bar}: {'MISSED' if figure.missed else 'met'})" if figure.bar else ""
    return f"  {figure.what}: {figure.measured}{bar}  {figure.note}"


def console() -> Console:
    """Wide enough for the table where there is no terminal to ask."""
    found = Console()
    return found if found.is_terminal and found.width >= _WIDTH else Console(width=_WIDTH)


def _verdict(figure: Figure) -> tuple[str, Text]:
    if figure.margin is None:
        return "", Text()
    filled = min(round(figure.margin * _CELLS / 2), _CELLS)
    style = "red" if figure.missed else "green"
    picture = "█" * filled + "░" * (_CELLS - filled)
    return f"{figure.margin:.2f}", Text(f"{picture} {'MISSED' if figure.missed else 'met'}", style=style)
