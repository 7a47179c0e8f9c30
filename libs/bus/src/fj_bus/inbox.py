"""The inbox: one row per topic and key, the last number taken."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from fj_bus.incoming import Incoming
from fj_bus.postgres import Connection
from fj_bus.work import lock_keys

# A held fact whose number was taken stands in the way of its key's later ones; one behind a gap does not.
_READ: Final = """
SELECT k.key, coalesce(i.last, 0) AS last, coalesce(i.skipped, false) AS skipped,
       coalesce(h.blocked, false) AS blocked, coalesce(h.gapped, false) AS gapped
FROM unnest($3::text[]) AS k(key)
LEFT JOIN bus.inbox AS i ON i.consumer = $1 AND i.topic = $2 AND i.key = k.key
LEFT JOIN LATERAL (
    SELECT bool_or(state <> 'gap') AS blocked, bool_or(state = 'gap') AS gapped FROM bus.held
    WHERE consumer = $1 AND topic = $2 AND key = k.key AND sequence IS NOT NULL) AS h ON true"""

_WRITE: Final = """
INSERT INTO bus.inbox (consumer, topic, key, last, skipped)
SELECT $1, $2, * FROM unnest($3::text[], $4::bigint[], $5::boolean[])
ON CONFLICT (consumer, topic, key) DO UPDATE SET last = excluded.last, skipped = excluded.skipped"""

_FILLED: Final = """
UPDATE bus.held AS h SET due = '-infinity' FROM unnest($3::text[], $4::bigint[]) AS k(key, last)
WHERE h.consumer = $1 AND h.topic = $2 AND h.key = k.key AND h.state = 'gap' AND h.sequence = k.last + 1"""


class Verdict(Enum):
    """What becomes of a fact by its number."""

    TAKE = auto()
    SKIP = auto()
    """Nobody here wants this type; its number is taken."""
    SEEN = auto()
    BEHIND = auto()
    GAP = auto()


@dataclass(slots=True)
class KeyState:
    """The inbox of one key, as of this transaction."""

    last: int
    skipped: bool
    blocked: bool
    gapped: bool
    changed: bool = False


class Inbox:
    """The keys of one topic that a transaction has locked and read."""

    def __init__(self, consumer: str, topic: str, states: dict[str, KeyState], *, late: bool) -> None:
        self._consumer = consumer
        self._topic = topic
        self._states = states
        self._late = late

    @classmethod
    async def open(
        cls, connection: Connection, consumer: str, topic: str, keys: Iterable[str], *, late: bool
    ) -> "Inbox":
        """Lock, then read in a new statement. `late`: the group did not begin with the partition's first record."""
        names = list(dict.fromkeys(keys))
        await lock_keys(connection, consumer, topic, names)
        rows = await connection.fetch(_READ, consumer, topic, names)
        states = {r["key"]: KeyState(r["last"], r["skipped"], r["blocked"], r["gapped"]) for r in rows}
        return cls(consumer, topic, states, late=late)

    def judge(self, fact: Incoming) -> Verdict:
        """Look at the number of a fact, and take it where it is the next one. The fact has an envelope."""
        if fact.envelope is None:
            raise ValueError("a record without an envelope has no number")
        sequence, wanted, state = fact.envelope.sequence, fact.handler is not None, self._states[fact.key]
        if state.last == 0 and self._late and not state.gapped:
            state.last = sequence - 1
        if sequence == state.last and state.skipped and wanted:
            return self._take(state, sequence, wanted=True)  # the same fact in the version that we know
        if sequence <= state.last:
            return Verdict.SEEN
        if sequence > state.last + 1:
            state.gapped = True
            return Verdict.GAP
        return self._take(state, sequence, wanted=wanted)

    def _take(self, state: KeyState, sequence: int, *, wanted: bool) -> Verdict:
        state.last, state.skipped, state.changed = sequence, not wanted, True
        if not wanted:
            return Verdict.SKIP
        return Verdict.BEHIND if state.blocked else Verdict.TAKE

    def block(self, key: str) -> None:
        """A fact of this key is held from now on."""
        self._states[key].blocked = True

    async def close(self, connection: Connection) -> bool:
        """Write what was taken. True if that made facts due which had come too early."""
        changed = {key: state for key, state in self._states.items() if state.changed}
        if not changed:
            return False
        keys, lasts = list(changed), [state.last for state in changed.values()]
        skipped = [state.skipped for state in changed.values()]
        await connection.execute(_WRITE, self._consumer, self._topic, keys, lasts, skipped)
        gapped = {key: state.last for key, state in changed.items() if state.gapped}
        if not gapped:
            return False
        done = await connection.execute(_FILLED, self._consumer, self._topic, list(gapped), list(gapped.values()))
        return done != "UPDATE 0"
