"""Which statement about a visit or account a person may undo: the one that counts, and they name it."""

from collections.abc import Collection
from typing import Protocol, TypeVar
from uuid import UUID

from patient_service.domain.errors import NoSuchStatement, NotTheLast


class Statement(Protocol):
    """A move, or another number."""

    @property
    def statement_id(self) -> UUID: ...
    @property
    def undone(self) -> bool: ...


Said = TypeVar("Said", bound=Statement)


def undoable(said: Collection[Said], last: Said | None, statement_id: UUID) -> Said | None:
    """The statement that is named; None where it is undone already. `last`: the one of `said` that counts.

    Raises NoSuchStatement, NotTheLast.
    """
    named = next((each for each in said if each.statement_id == statement_id), None)
    if named is None:
        raise NoSuchStatement
    if named.undone:
        return None
    if last is not None and last.statement_id != statement_id:
        raise NotTheLast(last.statement_id)
    return named
