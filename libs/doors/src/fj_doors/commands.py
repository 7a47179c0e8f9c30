"""Subcommands of a service with an HL7 door: `explain`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeAlias, TypeVar

from fj_hl7 import AckCode, BadProfile, Hl7Error, Profiles

from fj_doors.explaining import Explanation, Subject, explain
from fj_doors.settings import DoorSettings

S = TypeVar("S", bound=DoorSettings)
Subcommand: TypeAlias = tuple[str, Callable[[S, Namespace], Awaitable[int | None]], Callable[[ArgumentParser], object]]
"""Help, what it does, what adds its arguments: as fj_runtime.command wants it."""


def explain_command(subject: Callable[[S], Subject]) -> dict[str, Subcommand[S]]:
    """`explain`: what the door makes of messages in files. Its exit code is 1 where one of them would be refused."""

    async def act(settings: S, arguments: Namespace) -> int:
        try:
            profiles = Profiles.load(arguments.profile) if arguments.profile else settings.load_profiles()
        except BadProfile as error:
            print(error)  # noqa: T201 - for the person at the keyboard
            return 1
        accepted = True
        for file in arguments.file:
            raw = file.read_bytes()
            for told in await explain(subject(settings), raw, profiles, arguments.peer):
                accepted = accepted and told.answer.code is AckCode.AA
                print(f"{file}", *_report(told), sep="\n", end="\n\n")  # noqa: T201 - what was asked for
        return 0 if accepted else 1

    return {"explain": ("what the door understands of messages in files", act, _arguments)}


def _arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--profile", type=Path, help="YAML file or folder to try; else that of FJ_HL7_PROFILES")
    parser.add_argument("--peer", default="", help="the address that the messages come from")
    parser.add_argument("file", type=Path, nargs="+", help="the bytes of one frame, a message or a batch")


def _report(told: Explanation) -> Iterator[str]:
    message = told.message
    if message is not None:
        head = f"{message.kind}  control id {message.control_id}  profile {told.profile}  read as {message.codec}"
        yield "  " + head
        yield from (f"  ! {warning}" for warning in dict.fromkeys(message.warnings))
    for number, lines in enumerate(told.parts, 1):
        if len(told.parts) > 1:
            yield f"  -- {number} of {len(told.parts)}"
        for line in lines:
            yield f"  {line.name:<26} {line.place:<22} {line.raw:<32} {line.understood:<32} {line.rule}".rstrip()
    wrong = "; ".join(f"{_place(error)} ({error.code}) {error.text}" for error in told.answer.errors)
    yield f"  answer {told.answer.code}  {wrong}".rstrip()


def _place(error: Hl7Error) -> str:
    return f"{error.segment}-{error.field}" if error.field else error.segment or "message"
