"""What the commands write on."""

from typing import Final

from rich.console import Console

console: Final = Console()
errors: Final = Console(stderr=True)


def say(line: str) -> None:
    """One line of progress."""
    console.print(f"[dim]·[/dim] {line}", highlight=False)
