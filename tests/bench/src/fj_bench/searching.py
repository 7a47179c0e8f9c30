"""QIDO-RS and C-FIND as the archive grows: the same questions to an index of 10,000 and of 1,000,000 studies.

The index is filled by SQL, with studies like those that come through the doors: what is asked here looks at no pixels.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final

import asyncpg
from fj_testing import ServiceProcess
from pydicom import Dataset

from fj_bench.figure import Figure, at_most, shown, within
from fj_bench.find_scu import Client
from fj_bench.ground import Ground
from fj_bench.http_load import load

SIZES: Final = (10_000, 1_000_000)
BAR_S: Final = 0.050
GROWTH: Final = 1.5
SECONDS: Final = 4.0
QUERIES: Final = 400
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

_ROUTES: Final = """
INSERT INTO study_route (study_instance_uid, study_date, site, accession_number, patient_id, received_at, available_at)
SELECT '1.2.826.0.1.3680043.10.999.' || n, DATE '2015-01-01' + n / 274, 'MAIN', 'A' || lpad(n::text, 8, '0'),
       gen_random_uuid(), now(), now() FROM generate_series($1::int, $2::int - 1) AS n
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
  FROM generate_series($1::int, $2::int - 1) AS n
"""
_SERIES: Final = """
INSERT INTO series (study_instance_uid, series_instance_uid, series_number, modality, number_of_instances)
SELECT '1.2.826.0.1.3680043.10.999.' || n, '1.2.826.0.1.3680043.10.998.' || n, 1,
       (ARRAY['CT', 'MR', 'CR', 'US'])[1 + n % 4], 1 FROM generate_series($1::int, $2::int - 1) AS n
"""
_WORDS: Final = """
SELECT indexname AS name, indexdef AS made FROM pg_indexes
 WHERE tablename = 'study' AND indexdef LIKE '%USING gin%'
"""


def measure(site: Ground) -> Iterator[Figure]:
    """Ask, fill, ask again."""
    with site.services() as services:
        port = site.free_port()
        storage = services.start("storage", STORAGE_DIMSE_PORT=port)
        dsn = services.database("storage")
        small: Mapping[str, float] = {}
        for before, size in zip((0, *SIZES), SIZES, strict=False):
            began = time.perf_counter()
            asyncio.run(_fill(dsn, before, size))
            yield shown(f"filled to {size:,} studies", time.perf_counter() - began, " s")
            times = dict(_times(storage, port, size))
            for name, seconds in times.items():
                yield within(f"{name}, {size:,} studies, p95", seconds, BAR_S)
            if small:
                for name, seconds in times.items():
                    yield at_most(f"{name}, grown", seconds / small[name], GROWTH, " ×")
            small = times


async def _fill(dsn: str, before: int, size: int) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        indexes = await connection.fetch(_WORDS)
        for index in indexes:  # made anew at once, instead of word by word
            await connection.execute(f'DROP INDEX "{index["name"]}"')
        for statement in (_ROUTES, _STUDIES, _SERIES):
            await connection.execute(statement, before, size)
        await connection.execute("SET maintenance_work_mem = '1GB'")
        for index in indexes:
            await connection.execute(index["made"].replace(" ON ONLY ", " ON "))
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _times(storage: ServiceProcess, port: int, size: int) -> Iterator[tuple[str, float]]:
    for name, asked in _questions(size).items():

        def path(asked: Callable[[], Mapping[str, str]] = asked) -> str:
            return "/dicomweb/studies?" + "&".join(f"{key}={value}" for key, value in asked().items())

        headers = {"Accept": "application/dicom+json"}
        load(storage.http, 1, path, headers, 0.5)
        yield f"QIDO by {name}", load(storage.http, 1, path, headers, SECONDS).p95
    client = Client(port, STUDY_ROOT, "FJ_QR")
    for name, asked in _questions(size).items():
        if name != "date":  # C-FIND has no pages: who asks for a day asks for a modality
            took = [_asked(client, asked()) for _ in range(QUERIES)]
            yield f"C-FIND by {name}", statistics.quantiles(took, n=20)[-1]


def _asked(client: Client, keys: Mapping[str, str]) -> float:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    for keyword in KEYS:
        setattr(query, keyword, keys.get(keyword, ""))
    began = time.perf_counter()
    matches = client.ask(query)
    took = time.perf_counter() - began
    if not matches:
        raise RuntimeError(f"C-FIND found nothing for {', '.join(keys)}")
    return took


def _questions(size: int) -> Mapping[str, Callable[[], Mapping[str, str]]]:
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
