"""Subcommands that every consuming service has: `dlq`, `replay`, `rebuild`."""

import getpass
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, TypeVar

from fj_bus.consumer import Consumer
from fj_bus.errors import NoSuchDeadLetter
from fj_bus.letters import Letter, Letters
from fj_bus.rebuild import rebuild

S = TypeVar("S")
Open: TypeAlias = Callable[[S], AbstractAsyncContextManager[Consumer]]
Subcommand: TypeAlias = tuple[str, Callable[[S, Namespace], Awaitable[int | None]], Callable[[ArgumentParser], object]]
"""Help, what it does, what adds its arguments: as fj_runtime.command wants it."""


def bus_commands(open_consumer: Open[S], projections: Sequence[str] = ()) -> dict[str, Subcommand[S]]:
    """`dlq list|replay|drop`, `replay`, and, where the service has projection tables, `rebuild`.

    `open_consumer(settings)` gives the consumer with its handlers registered, not running.
    """
    commands: dict[str, Subcommand[S]] = {
        "dlq": ("dead letters of this service", lambda s, a: _dlq(open_consumer, s, a), _dlq_arguments),
        "replay": (
            "feed all dead letters of this service to its own handlers, here and now",
            lambda s, _: _replay(open_consumer, s),
            lambda _: None,
        ),
    }
    if projections:
        text = f"make {', '.join(projections)} anew from the log; the service's consumers must be stopped"
        commands["rebuild"] = (text, lambda s, _: _rebuild(open_consumer, s, projections), lambda _: None)
    return commands


def _dlq_arguments(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", required=True)
    listed = verbs.add_parser("list", help="what waits for an operator")
    listed.add_argument("--state", action="append", choices=("dead", "gap", "parked", "behind"))
    for verb, text in (("replay", "have it handled again"), ("drop", "give it up for good")):
        one = verbs.add_parser(verb, help=text)
        one.add_argument("id", type=int, nargs="+")
        one.add_argument("--reason", help="stands on the act's fact")


async def _dlq(open_consumer: Open[S], settings: S, arguments: Namespace) -> int:
    async with open_consumer(settings) as consumer:
        letters = Letters(consumer.bus, consumer.group)
        if arguments.verb == "list":
            await _print_all(letters, arguments.state or ("dead", "gap"))
            return 0
        act = letters.replay if arguments.verb == "replay" else letters.drop
        try:
            for id_ in arguments.id:
                await act(id_, _user(), arguments.reason)
        except NoSuchDeadLetter as gone:
            print(gone)  # noqa: T201 - for the person at the keyboard
            return 1
    return 0


async def _replay(open_consumer: Open[S], settings: S) -> int:
    async with open_consumer(settings) as consumer:
        letters = Letters(consumer.bus, consumer.group)
        before = [letter.id for letter in await letters.list(("dead",), limit=1_000_000)]
        for id_ in before:
            await letters.replay(id_, _user())
        while await consumer.driver.sweep():
            pass
        left = {letter.id for letter in await letters.list(("dead", "parked"), limit=1_000_000)}
        stayed = sum(id_ in left for id_ in before)
        print(f"{len(before) - stayed} handled, {stayed} not")  # noqa: T201 - what was asked for
        return 1 if stayed else 0


async def _rebuild(open_consumer: Open[S], settings: S, projections: Sequence[str]) -> int:
    async with open_consumer(settings) as consumer:
        result = await rebuild(consumer, projections)
    print(f"{result.handled} facts handled, {result.left_out} left out, {result.parked} still parked")  # noqa: T201
    return 1 if result.parked else 0


async def _print_all(letters: Letters, states: Sequence[str]) -> None:
    after = 0
    while page := await letters.list(states, after):
        for letter in page:
            print(_line(letter))  # noqa: T201 - what was asked for
        after = page[-1].id


def _line(letter: Letter) -> str:
    place = f"{letter.topic}-{letter.partition}@{letter.offset}"
    why = f"{letter.error or ''} {letter.detail or ''}".strip()
    return (
        f"{letter.id}  {letter.state}  {letter.type or '?'}  {place}  key {letter.key}  #{letter.sequence}  "
        f"since {letter.since:%Y-%m-%d %H:%M:%S}  tries {letter.attempts}  behind {letter.behind}  {why}"
    )


def _user() -> str:
    return f"{getpass.getuser()} (command line)"
