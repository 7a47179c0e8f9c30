"""Manifests in PostgreSQL: a row for what came together of one series in one pack. No row is changed.

So its key stands for its content, and who has read it once need not read it again. Rows are replaced by others that say
the same: all at once, so that one statement sees the former or the latter.
"""

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Final

from storage_service.adapters import current
from storage_service.adapters.sql import Connected, Database, Pool, Row, columns
from storage_service.domain.coercion import Coercion
from storage_service.domain.directory import BITS, fingerprint
from storage_service.domain.manifest import Entry, entries_of, revision_of, uids_of, written
from storage_service.domain.retrieval import Stored

REMEMBERED: Final = 100_000
"""Instances whose manifests are kept in memory, some 50 MB."""
SMALL: Final = 16
"""Instances of a manifest that has marks."""
OF_SERIES: Final = "m.series_key = ANY($1::bigint[])"
OF_STUDIES: Final = "e.study_instance_uid = ANY($1::text[])"
# With what objects say instead: who reads them needs both, and a second question costs as much as this one.
_FOUND: Final = f"""
SELECT m.manifest_key, m.series_key, m.pack_key, e.study_instance_uid, e.series_instance_uid, e.series_number, p.bucket,
       p.key AS pack, EXISTS (SELECT FROM rejected x WHERE x.study_instance_uid = e.study_instance_uid) AS rejections,
       {current.COERCED}{{}}
  FROM series e JOIN manifest m USING (series_key) JOIN pack p USING (pack_key)
       LEFT JOIN coercion c ON c.study_instance_uid = e.study_instance_uid
 WHERE {{}}
"""
_CONTENT: Final = "SELECT manifest_key, entries FROM manifest WHERE manifest_key = ANY($1::bigint[])"
_WHOLE: Final = """
SELECT m.*, e.study_instance_uid, e.series_instance_uid FROM series e JOIN manifest m USING (series_key) WHERE {}
"""
# Senders that open an association for each image fill a series with hundreds of small manifests: only those are read
# that may have one of the images at hand.
_KNOWN: Final = """
SELECT series_key, entries FROM manifest
 WHERE series_key = ANY($1::bigint[]) AND (marks IS NULL OR marks && $2::int[])
"""
_FORGET: Final = "DELETE FROM manifest WHERE pack_key = ANY($1::bigint[]) RETURNING series_key, listed"
_PUT: Final = """
INSERT INTO manifest (series_key, pack_key, instances, entries, marks, listed, gathered)
SELECT series_key, pack_key, instances, entries, string_to_array(marks, ',')::int[], listed, $7
  FROM unnest($1::bigint[], $2::bigint[], $3::int[], $4::bytea[], $5::text[], $6::boolean[])
       AS row (series_key, pack_key, instances, entries, marks, listed)
"""


class Content:
    """What a manifest says."""

    def __init__(self, data: bytes) -> None:
        self.entries: Final = entries_of(data)

    @cached_property
    def current(self) -> Mapping[str, Entry]:
        """The current instances by UID."""
        return {entry.sop_instance_uid: entry for entry in self.entries if not entry.revision}


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest, and of what it is."""

    manifest_key: int
    series_key: int
    pack_key: int
    study_instance_uid: str
    series_instance_uid: str
    series_number: int | None
    bucket: str
    pack: str
    rejections: bool
    """Something of its study is rejected."""
    coercion: Coercion | None
    """What its instances say instead of what is stored."""
    content: Content

    @property
    def uids(self) -> tuple[str, str]:
        """Of study and series."""
        return self.study_instance_uid, self.series_instance_uid

    def named(self, sop_instance_uids: Iterable[str]) -> Iterator[Entry]:
        """The current instances with these UIDs."""
        current = self.content.current
        return (current[uid] for uid in set(sop_instance_uids) if uid in current)

    def has_any(self, sop_instance_uids: set[str]) -> bool:
        """Whether one of them is current in it."""
        return not sop_instance_uids.isdisjoint(self.content.current)

    def stored(self, entry: Entry) -> Stored:
        """Where an instance of this manifest lies."""
        return Stored(
            study_instance_uid=self.study_instance_uid,
            series_instance_uid=self.series_instance_uid,
            sop_instance_uid=entry.sop_instance_uid,
            sop_class_uid=entry.sop_class_uid,
            transfer_syntax_uid=entry.transfer_syntax_uid,
            bucket=self.bucket,
            pack=self.pack,
            offset=entry.offset,
            length=entry.length,
            data_offset=entry.data_offset,
            coercion=self.coercion,
        )


_OWN: Final = tuple(each.name for each in fields(Manifest) if each.name not in {"coercion", "content"})


class Manifests:
    """Manifests to look into, the last ones kept in memory."""

    def __init__(self, pool: Pool, most: int = REMEMBERED) -> None:
        self._pool = pool
        self._most = most
        self._kept: OrderedDict[int, Content] = OrderedDict()
        self._kept_instances = 0

    async def find(self, where: str, *values: object, db: "Connected | None" = None) -> list[Manifest]:
        """Those of which a condition on series `e`, manifest `m` and pack `p` holds, in no particular order.

        `db`: a connection that the caller has already; to take a second one could end in waiting for each other.
        """
        rows = await (db or self._pool).fetch(_FOUND.format("", where), *values)
        contents = await self._contents([row["manifest_key"] for row in rows], db)
        if all(row["manifest_key"] in contents for row in rows):
            return [_manifest(row, contents[row["manifest_key"]]) for row in rows]
        # One of them has been replaced or removed between the two.
        rows = await (db or self._pool).fetch(_FOUND.format(", m.entries", where), *values)
        return [_manifest(row, self._keep(row["manifest_key"], Content(row["entries"]))) for row in rows]

    async def _contents(self, keys: Iterable[int], db: "Connected | None") -> Mapping[int, Content]:
        found, missing = {}, []
        for key in keys:
            content = self._kept.get(key)
            if content is None:
                missing.append(key)
            else:
                self._kept.move_to_end(key)
                found[key] = content
        if missing:
            for row in await (db or self._pool).fetch(_CONTENT, missing):
                found[row["manifest_key"]] = self._keep(row["manifest_key"], Content(row["entries"]))
        return found

    def _keep(self, key: int, content: Content) -> Content:
        if key not in self._kept:
            self._kept[key] = content
            self._kept_instances += len(content.entries)
            while self._kept_instances > self._most:
                _, dropped = self._kept.popitem(last=False)
                self._kept_instances -= len(dropped.entries)
        return content


@dataclass(slots=True)
class Added:
    """What a delivery has added to a series."""

    current: list[Entry] = field(default_factory=list)
    """Those that are the first of their UID."""
    conflicts: list[tuple[Entry, Entry]] = field(default_factory=list)
    """Other bytes under a known UID, and what is current."""

    def add(self, entry: Entry, known: Iterable[Entry]) -> None:
        """Count an instance that is new; `known`: what there is under its UID."""
        if entry.revision:
            self.conflicts.append((entry, next(one for one in known if not one.revision)))
        else:
            self.current.append(entry)


async def fetch(db: Connected, where: str, *values: object) -> list[Row]:
    """Whole rows of which a condition on series `e` and manifest `m` holds."""
    return await db.fetch(_WHOLE.format(where), *values)


async def add(db: Database, given: Sequence[tuple[int, int, Sequence[Entry]]]) -> dict[int, Added]:
    """Add instances, by series and pack, in the order in which they were told; what is new, by series.

    The studies are locked. What is known, by UID and bytes, changes nothing.
    """
    rows: dict[int, list[Row]] = defaultdict(list)
    asked: dict[int, set[str]] = defaultdict(set)
    for series, _, entries in given:
        asked[series].update(entry.sop_instance_uid for entry in entries)
    marks = [_mark(uid) for uids in asked.values() for uid in uids]
    for row in await db.fetch(_KNOWN, sorted(asked), marks):
        rows[row["series_key"]].append(row)
    known = {series: _known(rows[series], uids) for series, uids in asked.items()}
    added: dict[int, Added] = defaultdict(Added)
    fresh: dict[tuple[int, int], list[Entry]] = defaultdict(list)
    for series, pack, entries in given:
        for entry in entries:
            before = known[series][entry.sop_instance_uid]
            if (revision := revision_of(entry, before)) is None:
                continue
            before.append(entry._replace(revision=revision) if revision else entry)
            fresh[series, pack].append(before[-1])
            added[series].add(before[-1], before)
    await put(db, fresh, gathered=False)
    return added


async def replace(db: Database, pack_keys: Collection[int], instead: Mapping[tuple[int, int], Sequence[Entry]]) -> None:
    """Forget what lies in these packs, for this of it in packs that nobody has heard of, by series and pack."""
    rows = await db.fetch(_FORGET, list(pack_keys))
    unlisted = {row["series_key"] for row in rows if not row["listed"]}
    await put(db, instead, {key for key in instead if key[0] not in unlisted}, gathered=True)


async def put(
    db: Database,
    given: Mapping[tuple[int, int], Sequence[Entry]],
    listed: Collection[tuple[int, int]] = (),
    *,
    gathered: bool,
) -> None:
    """Write these instances by series and pack; `listed`: those that the directory has all of."""
    rows = []
    for key, entries in given.items():
        marks = ",".join(str(_mark(entry.sop_instance_uid)) for entry in entries) if len(entries) <= SMALL else None
        rows.append((*key, len(entries), written(entries), marks, key in listed))
    if rows:
        await db.execute(_PUT, *columns(rows, 6), gathered)


def _mark(sop_instance_uid: str) -> int:
    return fingerprint(sop_instance_uid) >> (BITS - 31)


def _known(rows: Iterable[Row], asked: set[str]) -> dict[str, list[Entry]]:
    """What there is under these UIDs; a manifest that has none of them is not read to its end."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for row in rows:
        if not asked.isdisjoint(uids_of(row["entries"])):
            for entry in entries_of(row["entries"]):
                if entry.sop_instance_uid in asked:
                    found[entry.sop_instance_uid].append(entry)
    return found


def _manifest(row: Row, content: Content) -> Manifest:
    return Manifest(coercion=current.coercion_of(row), content=content, **{name: row[name] for name in _OWN})
