"""A message explained: field by field where it stood, what stood there, what was understood, and the door's answer."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from fj_hl7 import (
    AckCode,
    BadMessage,
    Door,
    Entry,
    ErrorCode,
    Hl7Error,
    Intake,
    Ledger,
    Message,
    Outcome,
    Profile,
    Profiles,
    Receipt,
    Refusal,
    is_batch,
    split_batch,
)
from fj_hl7.parts import Parts
from fj_hl7.receipt import Connection
from pydantic import BaseModel

from fj_doors.watching import Look, Watched, pid_look

Understand = Callable[[Message], Iterator[Mapping[str, object]]]
"""What a door understands: of each order, patient or appointment of a message, name by name. Raises Refusal."""
_MAPS: Final = {
    "priority": "priority",
    "modality": "modality",
    "order_control": "order_control",
    "sex": "sex",
    "result_status": "result_status",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The door whose reading is explained."""

    name: str
    kinds: tuple[str, ...]
    understand: Understand


@dataclass(frozen=True, slots=True)
class Line:
    """One field."""

    name: str
    place: str
    raw: str
    understood: str
    rule: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One message (of a batch each of its own), and how it would be answered as far as the message itself decides."""

    message: Message | None
    """None: unreadable."""
    profile: str
    parts: tuple[tuple[Line, ...], ...]
    """The fields of each order, patient or appointment."""
    answer: Outcome


async def explain(subject: Subject, raw: bytes, profiles: Profiles, peer: str = "") -> list[Explanation]:
    """What the door makes of what came in a frame."""
    door = _rehearsal(subject, profiles)
    explained = []
    for part in _parts(raw):
        answer = await door.take(part, peer)
        try:
            message = profiles.read(part, peer)
        except BadMessage:
            explained.append(Explanation(None, "", (), answer))
            continue
        profile = message.profile
        lines = tuple(_explained(message, subject.understand)) if message.kind in subject.kinds else ()
        explained.append(Explanation(message, profile.name, lines, answer))
    return explained


def _parts(raw: bytes) -> list[bytes]:
    """The messages of a batch; anything else as it is."""
    try:
        return [raw] if not is_batch(raw) else split_batch(raw)
    except BadMessage:
        return [raw]


def _explained(message: Message, understand: Understand) -> Iterator[tuple[Line, ...]]:
    message.profile = watched = Watched.of(message.profile)
    understood = understand(message)
    while True:
        try:
            part = next(understood, None)
        except Refusal:
            yield tuple(_lines(message, {}, watched))
            return
        if part is None:
            return
        yield tuple(_lines(message, part, watched))


def _lines(message: Message, understood: Mapping[str, object], watched: Watched) -> Iterator[Line]:
    """First what was looked for, in this order; then what else was understood."""
    looks = {look.item.value: look for look in watched.since()}
    for name, look in looks.items():
        yield _line(name, look, understood.get(name), watched)
    for name, value in understood.items():
        if name not in looks:
            yield _line(name, pid_look(watched, name, message), value, watched)


def _line(name: str, look: Look | None, value: object, profile: Profile) -> Line:
    if look is None:
        return Line(name, "", "", shown(value), "")
    taken = look.taken
    if taken is None:
        passed = ", ".join(f"{found.source} {found.value.raw!r} does not fit" for found in look.found)
        return Line(name, "", "", shown(value), passed or f"nothing in {', '.join(map(str, look.sources))}")
    place = look.sources.index(taken.source) + 1
    rule = f"{'profile' if look.own else 'standard'} {place} of {len(look.sources)}"
    codes: Mapping[str, object] = getattr(profile.codes, _MAPS.get(name, "procedure"))
    if name in {*_MAPS, "procedure"} and taken.text in codes:
        rule += f", codes.{name}"
    return Line(name, str(taken.source), taken.value.raw, shown(value), rule)


def shown(value: object) -> str:
    """A value of the vocabulary for a person to read."""
    if value is None:
        return ""
    if isinstance(value, BaseModel):
        said = {name: shown(each) for name, each in value if each is not None}
        if set(said) == {"value", "issuer"}:
            return f"{said['value']} of {said['issuer']}"
        return " ".join(filter(None, said.values()))
    if isinstance(value, tuple | list):
        return ", ".join(map(shown, value))
    return str(getattr(value, "value", value))


class _Rehearsal(Ledger):
    """Remembers nothing."""

    def __init__(self) -> None:
        """Nothing is sealed either."""
        self.parts = _PartsAlone()

    async def enter(self, connection: Connection, receipts: Sequence[Receipt]) -> list[Entry]:  # noqa: ARG002
        return [Entry(None, reused=False) for _ in receipts]

    async def refuse(
        self, connection: Connection, receipt: Receipt, code: AckCode, errors: Sequence[Hl7Error] = ()
    ) -> bool:
        del connection, receipt, code, errors
        return False


class _PartsAlone(Parts):
    """Of a message in parts each is looked at alone."""

    def __init__(self) -> None:
        """Nothing is kept."""

    async def keep(self, connection: Connection, receipt: Receipt, part: Message) -> list[Receipt]:
        del connection, receipt, part
        return []

    async def finish(self, connection: Connection, receipt: Receipt, last: Message) -> bytes:
        del connection, receipt, last
        text = "the last part of a message, which cannot be explained without the others"
        raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "MSH", 1, 14))


class _Nowhere:
    connection: Any = None


@asynccontextmanager
async def _unit() -> AsyncIterator[_Nowhere]:
    yield _Nowhere()


def _rehearsal(subject: Subject, profiles: Profiles) -> Door[_Nowhere]:
    """The door itself, with nothing behind it."""

    async def take(messages: Sequence[Message], _: _Nowhere) -> None:
        for message in messages:
            for _part in subject.understand(message):
                pass

    return Door(subject.name, dict.fromkeys(subject.kinds, take), _unit, Intake(_Rehearsal(), profiles))
