"""C-FIND of the query/retrieve information models (PS3.4 section C.4.1)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fj_dicom import (
    SPECIFIC_CHARACTER_SET,
    Encoder,
    Find,
    FindHandler,
    FindService,
    Matches,
    Request,
    Status,
    asked,
)
from prometheus_client import Counter, Histogram
from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from storage_service.domain.search import ATTRIBUTES, SEQUENCES, Attribute, By, Condition, Level, Search, combined
from storage_service.entrypoints.dimse.models import MODELS, UNIQUE, Model, above, level_of, mismatch, value_of
from storage_service.entrypoints.dimse.results import attributes_of, keywords_of, with_own
from storage_service.entrypoints.keys import BadValue, condition
from storage_service.entrypoints.sight import Sight, Titles
from storage_service.ports.index import Searches

OPTIONS: Final = b"\1\1\1\0\0"
"""Of extended negotiation (PS3.4 table C.5.1-1): relational queries, date-time matching, fuzzy matching of names."""

_seconds = Histogram("storage_find_seconds", "Time from a C-FIND to its matches, before they are sent")
_matches = Counter("storage_find_matches", "Matches answered to C-FIND")
_BY_TAG: Final = {int(attribute.tag, 16): attribute for attribute in ATTRIBUTES.values() if not attribute.within}
_SEQUENCES: Final = {int(tag, 16): keyword for keyword, tag in SEQUENCES.items()}


@dataclass(frozen=True, slots=True)
class Options:
    """What the requestor has negotiated."""

    relational: bool = False
    moments: bool = False
    """Date and time are matched together."""
    fuzzy: bool = False

    @classmethod
    def agreed(cls, options: bytes) -> "Options":
        """From the bytes of extended negotiation; missing ones are off."""
        padded = options.ljust(3, b"\0")
        return cls(*(byte == 1 for byte in padded[:3]))


def find_services(sight: Sight[Titles, Searches], ae_title: str, limit: int) -> list[FindService]:
    """The C-FIND of each model. After `limit` matches the answer ends with A700H. `sight`: who may find what."""
    return [FindService(model.find, _handler(model, sight, ae_title, limit), options=OPTIONS) for model in MODELS]


def _handler(model: Model, sight: Sight[Titles, Searches], ae_title: str, limit: int) -> FindHandler:
    async def find(request: Request) -> Matches:
        identifier = request.dataset()
        level = level_of(identifier, model)
        known = attributes_of(level, ae_title)
        wanted = with_own(asked(identifier, known), known)
        options = Options.agreed(request.caller.extended.get(model.find, b""))
        if not options.relational:
            _require_path(identifier, level, model)
        search = _search(identifier, level, options, keywords_of(wanted), limit)
        with _seconds.time():
            found = await (await sight.of((request.caller.ae_title,))).search(search)
        _matches.inc(len(found.rows))
        implicit = UID(request.transfer_syntax).is_implicit_VR
        encoder = Encoder(wanted, value_of(identifier, SPECIFIC_CHARACTER_SET), implicit=implicit)
        pending = Find.PENDING if all(each.is_supported for each in wanted) else Find.PENDING_WITHOUT_SOME_KEYS
        final = Status(Find.OUT_OF_RESOURCES, f"more than {limit} match: some were not sent") if found.more else None
        return Matches(map(encoder.encode, found.rows), pending, *([final] if final else []))

    return find


def _search(identifier: Dataset, level: Level, options: Options, returned: set[str], limit: int) -> Search:
    conditions = tuple(_conditions(identifier, level, options))
    keywords = {*returned, UNIQUE[level][1]}
    return Search(
        level=level,
        conditions=combined(conditions) if options.moments else conditions,
        fields=tuple(attribute for keyword, attribute in ATTRIBUTES.items() if keyword in keywords),
        limit=limit,
        offset=0,
    )


def _conditions(identifier: Dataset, level: Level, options: Options) -> Iterator[Condition]:
    for tag, attribute in _matched(_BY_TAG, level):
        if found := _condition(identifier, tag, attribute, options):
            yield found
    for sequence, keyword in _SEQUENCES.items():
        item = _item(identifier, sequence)
        inside = {int(one.tag, 16): one for one in ATTRIBUTES.values() if one.within == keyword}
        for tag, attribute in _matched(inside, level):
            if found := _condition(item, tag, attribute, options):
                yield found


def _matched(attributes: Mapping[int, Attribute], level: Level) -> Iterator[tuple[int, Attribute]]:
    for tag, attribute in attributes.items():
        if attribute.level <= level and attribute.by is not By.NOTHING:
            yield tag, attribute


def _condition(identifier: Dataset, tag: int, attribute: Attribute, options: Options) -> Condition | None:
    try:
        return condition(attribute, value_of(identifier, tag), fuzzy=options.fuzzy)
    except BadValue as reason:
        raise mismatch(f"{attribute.keyword}: {reason}", tag) from None


def _item(identifier: Dataset, tag: int) -> Dataset:
    """The item of a sequence (PS3.4 C.2.2.2.6); an empty one where there is none. Raises Refused."""
    value = identifier[tag].value if tag in identifier else None
    items = value if isinstance(value, Items) else ()
    if len(items) > 1:
        raise mismatch("a sequence is matched by one item", tag)
    return items[0] if items else Dataset()


def _require_path(identifier: Dataset, level: Level, model: Model) -> None:
    """A hierarchical query names one entity of each level above (PS3.4 C.4.1.3.1). Raises Refused."""
    for one in above(level, model):
        tag, keyword = UNIQUE[one]
        value = value_of(identifier, tag)
        if not value or any(sign in value for sign in "\\*?"):
            raise mismatch(f"{keyword}: one value is needed in a hierarchical query", tag)
