"""C-MOVE and C-GET of the query/retrieve information models (PS3.4 sections C.4.2, C.4.3)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fj_dicom import (
    GetService,
    Move,
    MoveService,
    Peers,
    Refused,
    Request,
    RequestorSettings,
    Retrieval,
    Retrieve,
    Service,
    Status,
)
from pydicom import Dataset

from storage_service.domain.retrieval import Selection, Stored
from storage_service.domain.search import Level
from storage_service.entrypoints.dimse.models import MODELS, UNIQUE, Model, above, level_of, mismatch, value_of
from storage_service.entrypoints.sight import Sight, Titles
from storage_service.ports.index import Selections

OPTIONS: Final = b"\1"
"""Of extended negotiation: relational retrieval (PS3.4 tables C.5.2-1, C.5.3-1)."""
_FIELDS: Final = {
    Level.PATIENT: "patient_numbers",
    Level.STUDY: "study_instance_uids",
    Level.SERIES: "series_instance_uids",
    Level.INSTANCE: "sop_instance_uids",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where instances are found and read."""

    sight: Sight[Titles, Selections]
    """Who may see what."""
    retrieval_of: Callable[[Sequence[Stored]], Retrieval]
    """Makes what an association's thread can read."""

    async def retrieval(self, request: Request, model: Model, sop_class: str, *receivers: str) -> Retrieval:
        """What the identifier asks for, as far as who asks and who receives may see it. Raises Refused."""
        relational = request.caller.extended.get(sop_class, b"")[:1] == OPTIONS
        selection = _selection(request.dataset(), model, relational=relational)
        selections = await self.sight.of((request.caller.ae_title, *receivers))
        return self.retrieval_of(await selections.selected(selection))


def retrieve_services(
    source: Source, peers: Peers, caller: RequestorSettings, storable: Mapping[str, Sequence[str]]
) -> list[Service]:
    """The C-GET and C-MOVE of each model.

    `caller`: as whom a C-MOVE sends. `storable`: SOP class -> transfer syntaxes, as they were taken once.
    """
    gets = [_get(model, source, storable) for model in MODELS]
    return [*gets, *(_move(model, source, peers, caller) for model in MODELS)]


def _get(model: Model, source: Source, storable: Mapping[str, Sequence[str]]) -> GetService:
    async def get(request: Request) -> Retrieval:
        return await source.retrieval(request, model, model.get)

    return GetService(model.get, get, storable, OPTIONS)


def _move(model: Model, source: Source, peers: Peers, caller: RequestorSettings) -> MoveService:
    async def move(request: Request) -> Move:
        destination = peers.get(request.command.move_destination)
        if destination is None:
            raise Refused(Status(Retrieve.MOVE_DESTINATION_UNKNOWN, "the move destination is not in FJ_PEERS"))
        retrieval = await source.retrieval(request, model, model.move, destination.ae_title)
        return Move(retrieval, destination, destination.associations)

    return MoveService(model.move, move, caller, OPTIONS)


def _selection(identifier: Dataset, model: Model, *, relational: bool) -> Selection:
    """The unique keys (PS3.4 C.4.2.1.3, C.4.2.2.1): one value at each level above, any number at its own."""
    level = level_of(identifier, model)
    keys: dict[str, tuple[str, ...]] = {}
    for one in (*above(level, model), level):
        tag, keyword = UNIQUE[one]
        values = tuple(value.strip() for value in value_of(identifier, tag).split("\\") if value.strip())
        if any(sign in value for value in values for sign in "*?"):
            raise mismatch(f"{keyword}: wildcards select nothing to retrieve", tag)
        if not values and (one is level or not relational):
            raise mismatch(f"{keyword}: a value is needed", tag)
        if len(values) > 1 and one is not level and not relational:
            raise mismatch(f"{keyword}: one value is needed in a hierarchical retrieval", tag)
        if values:
            keys[_FIELDS[one]] = values
    return Selection(**keys)
