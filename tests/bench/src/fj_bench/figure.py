"""One measured figure and the bar that it is held against."""

from dataclasses import dataclass
from typing import Final

_MS: Final = 1000.0


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table. `margin` is how often the bar is reached: 1 and more is met, None is only shown."""

    what: str
    measured: str
    bar: str = ""
    margin: float | None = None
    note: str = ""

    @property
    def missed(self) -> bool:
        return self.margin is not None and self.margin < 1


def at_least(what: str, measured: float, bar: float, unit: str = "/s", note: str = "") -> Figure:
    """A rate or a ratio that must reach the bar."""
    return Figure(what, _text(measured, unit), f"≥ {_text(bar, unit)}", measured / bar, note)


def within(what: str, seconds: float, bar: float, note: str = "") -> Figure:
    """A time in seconds that must stay below the bar."""
    text, limit = _text(seconds * _MS, " ms"), _text(bar * _MS, " ms")
    return Figure(what, text, f"< {limit}", bar / max(seconds, 1e-9), note)


def at_most(what: str, measured: float, bar: float, unit: str, note: str = "") -> Figure:
    """A ratio or an amount that must not exceed the bar."""
    return Figure(what, _text(measured, unit), f"≤ {_text(bar, unit)}", bar / max(measured, 1e-9), note)


def none_of(what: str, count: int, note: str = "") -> Figure:
    """Something that must not happen at all."""
    return Figure(what, f"{count:,}", "0", 1.0 if count == 0 else 0.0, note)


def shown(what: str, measured: float, unit: str = "/s", note: str = "") -> Figure:
    """A figure without a bar."""
    return Figure(what, _text(measured, unit), note=note)


def _text(value: float, unit: str) -> str:
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}{unit}"
