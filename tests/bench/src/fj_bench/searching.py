"""QIDO-RS and C-FIND as the archive grows: the same questions to an index of 10,000 and of 1,000,000 studies.

The index is filled by SQL, with studies like those that come through the doors: what is asked here looks at no pixels.
Their series are described already, as those of an archive are; else `storage` would be making metadata all the while.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeAlias

import asyncpg
from fj_testing import Services
from pydicom import Dataset

from fj_bench.figure import Figure, at_most, shown, within
from fj_bench.find_scu import Client
from fj_bench.ground import Ground
from fj_bench.http_load import Client as Http

SIZES: Final = (10_000, 1_000_000)
BAR_S: Final = 0.050
GROWTH: Final = 1.5
ROUNDS: Final = 20
AT_A_TIME: Final = 50
EMPTY: Final = 100
"""Bytes that no answer with a study in it falls below."""
STUDY_ROOT: Final = "1.2.840.10008.5.1.4.1.2.2.1"
FIRST_DAY: Final = date(2015, 1, 1)
A_DAY: Final = 274
"""Studies of a day, whatever the size: an archive grows by days. 1,000,000 are ten years, 10,000 the first five weeks.
So the same question has an answer of the same length: 68 or 69 studies of one modality on one day."""
PAGE: Final = 100
"""What a page of a viewer's list asks for."""
MODALITIES: Final = ("CT", "MR", "CR", "US")
KEYS: Final = ("StudyInstanceUID", "StudyDate", "PatientName", "PatientID", "AccessionNumber", "ModalitiesInStudy")
CHANCE: Final = random.Random(3)  # noqa: S311 - which study is asked for is no secret

_JSON: Final = {"Accept": "application/dicom+json"}
Question: TypeAlias = Callable[[], Mapping[str, str]]
"""Anew each time: the keys that are asked for."""
Ask: TypeAlias = Callable[[Mapping[str, str]], None]

_ROUTES: Final = """
INSERT INTO study_route (study_instance_uid, study_date, site, accession_number, patient_id, received_at, available_at)
SELECT '1.2.826.0.1.3680043.10.999.' || n, DATE '2015-01-01' + n / 274, 'MAIN', 'A' || lpad(n::text, 8, '0'),
       gen_random_uuid(), now(), now() FROM generate_series(0, $1::int - 1) AS n
"""
_STUDIES: Final = """
INSERT INTO study (study_instance_uid, study_date, study_time, accession_number, accession_issuer, study_description,
                   patient_number, patient_issuer, patient_name, patient_birth_date, patient_sex, modalities,
                   number_of_series, number_of_instances, patient)
SELECT '1.2.826.0.1.3680043.10.999.' || n, DATE '2015-01-01' + n / 274, lpad((n % 86400)::text, 6, '0'),
       'A' || lpad(n::text, 8, '0'), 'MAIN', (ARRAY['CT chest', 'MR head', 'CR hand', 'US abdomen'])[1 + n % 4],
       'P' || lpad((n / 3)::text, 8, '0'), 'MAIN',
       (ARRAY['Smith', 'Miller', 'Garcia', 'Novak', 'Rossi'])[1 + n / 3 % 5] || '^' || to_hex(n / 3), DATE '1970-01-01',
       (ARRAY['F', 'M'])[1 + n % 2], ARRAY[(ARRAY['CT', 'MR', 'CR', 'US'])[1 + n % 4]], 1, 1, '{}'
  FROM generate_series(0, $1::int - 1) AS n
"""
_SERIES: Final = """
INSERT INTO series (study_instance_uid, series_instance_uid, series_number, modality, number_of_instances,
                    metadata_instances)
SELECT '1.2.826.0.1.3680043.10.999.' || n, '1.2.826.0.1.3680043.10.998.' || n, 1,
       (ARRAY['CT', 'MR', 'CR', 'US'])[1 + n % 4], 1, 1 FROM generate_series(0, $1::int - 1) AS n
"""
_WORDS: Final = """
SELECT indexname AS name, indexdef AS made FROM pg_indexes
 WHERE tablename = 'study' AND indexdef LIKE '%USING gin%'
"""


@dataclass(frozen=True, slots=True)
class _Archive:
    """A filled `storage`, and a connection to each of its doors."""

    size: int
    qido: Http
    find: Client

    def ask_qido(self, keys: Mapping[str, str]) -> None:
        path = "/dicomweb/studies?" + "&".join(f"{key}={value}" for key, value in keys.items())
        if self.qido.get(path, _JSON) < EMPTY:
            raise RuntimeError(f"QIDO-RS found nothing for {', '.join(keys)}")

    def ask_find(self, keys: Mapping[str, str]) -> None:
        query = Dataset()
        query.QueryRetrieveLevel = "STUDY"
        for keyword in KEYS:
            setattr(query, keyword, keys.get(keyword, ""))
        if not self.find.ask(query):
            raise RuntimeError(f"C-FIND found nothing for {', '.join(keys)}")


def measure(site: Ground) -> Iterator[Figure]:
    """Fill both, then ask both the same in turns: what else the machine does in these seconds slows both alike."""
    with ExitStack() as running:
        archives = []
        for size in SIZES:
            began = time.perf_counter()
            archives.append(_archive(site, running.enter_context(site.services()), size))
            yield shown(f"filled with {size:,} studies", time.perf_counter() - began, " s")
        # What filling leaves to be written, nothing that is asked later has to wait for.
        site.stack.postgres().run_sql("CHECKPOINT")
        times = _times(archives)
        for (name, size), seconds in times.items():
            yield within(f"{name}, {size:,} studies, p95", seconds, BAR_S)
        small, large = SIZES
        for name in dict.fromkeys(name for name, _ in times):
            yield at_most(f"{name}, grown", times[name, large] / times[name, small], GROWTH, " ×")


def _archive(site: Ground, services: Services, size: int) -> _Archive:
    port = site.free_port()
    storage = services.start("storage", STORAGE_DIMSE_PORT=port)
    asyncio.run(_fill(services.database("storage"), size))
    return _Archive(size, Http(storage.http), Client(port, STUDY_ROOT, "FJ_QR"))


async def _fill(dsn: str, size: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        indexes = await connection.fetch(_WORDS)
        for index in indexes:  # made anew at once, instead of word by word
            await connection.execute(f'DROP INDEX "{index["name"]}"')
        for statement in (_ROUTES, _STUDIES, _SERIES):
            await connection.execute(statement, size)
        await connection.execute("SET maintenance_work_mem = '1GB'")
        for index in indexes:
            await connection.execute(index["made"].replace(" ON ONLY ", " ON "))
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _times(archives: Sequence[_Archive]) -> Mapping[tuple[str, int], float]:
    """By what is asked, and the size: p95 in seconds. A first round, of which nothing is kept, warms all of them."""
    took: dict[tuple[str, int], list[float]] = {}
    for turn in range(1 + ROUNDS):
        for name, archive, ask, question in _doors(archives):
            asked = [_seconds(ask, question()) for _ in range(AT_A_TIME)]
            if turn:
                took.setdefault((name, archive.size), []).extend(asked)
    return {key: statistics.quantiles(each, n=20)[-1] for key, each in took.items()}


def _doors(archives: Sequence[_Archive]) -> Iterator[tuple[str, _Archive, Ask, Question]]:
    for name in _questions(1):
        for archive in archives:
            yield f"QIDO by {name}", archive, archive.ask_qido, _questions(archive.size)[name]
        for archive in archives if name != "date" else ():  # C-FIND has no pages: a day is asked for with a modality
            yield f"C-FIND by {name}", archive, archive.ask_find, _questions(archive.size)[name]


def _seconds(ask: Ask, keys: Mapping[str, str]) -> float:
    began = time.perf_counter()
    ask(keys)
    return time.perf_counter() - began


def _questions(size: int) -> Mapping[str, Question]:
    def number() -> int:
        return CHANCE.randrange(size)

    def a_day() -> Mapping[str, str]:
        return {"StudyDate": (FIRST_DAY + timedelta(days=number() // A_DAY)).strftime("%Y%m%d"), "limit": str(PAGE)}

    return {
        "patient": lambda: {"PatientID": f"P{number() // 3:08}"},
        "accession": lambda: {"AccessionNumber": f"A{number():08}"},
        "date": a_day,
        "date and modality": lambda: {**a_day(), "ModalitiesInStudy": CHANCE.choice(MODALITIES)},
    }
