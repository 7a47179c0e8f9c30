"""Looking patients up among 100,000 with 1,000,000 numbers, and newcomers who are compared with them.

The patients are filled in by SQL, as ADT would have left them; the newcomers come by MLLP.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import asyncpg
from fj_events import patient_key
from fj_testing import PATIENT_NAMESPACE, eventually

from fj_bench.figure import Figure, shown, within
from fj_bench.ground import Ground
from fj_bench.hl7_sender import pace
from fj_bench.http_load import load

PATIENTS: Final = 100_000
NUMBERS_EACH: Final = 10
BAR_S: Final = 0.010
SECONDS: Final = 4.0
NEWCOMERS: Final = 200
PER_SECOND: Final = 20.0
FAMILIES: Final = tuple(f"{a}{b}" for a in ("Smith", "Mill", "Garc", "Nov", "Ross", "Berg") for b in range(500))
GIVEN: Final = tuple(f"{a}{b}" for a in ("Ada", "Bo", "Cy", "Dora", "Eve") for b in range(60))
CHANCE: Final = random.Random(3)  # noqa: S311 - who is looked for is no secret
_NAMESPACE: Final = UUID(PATIENT_NAMESPACE)
_DETAILS: Final = (
    '{{"id": {{"value": "{number}", "issuer": "GENERAL"}}, "family_name": "{family}", "given_name": "{given}",'
    ' "birth_date": "{born}", "sex": "F", "other_ids": [{others}]}}'
)
_OTHER: Final = '{{"value": "{number}", "issuer": "{issuer}"}}'


def measure(site: Ground) -> Iterator[Figure]:
    """Fill, look up by each way, then let newcomers in who were registered before with transposed birth dates."""
    port = site.free_port()
    with site.services() as services:
        patient = services.start("patient", PATIENT_MLLP_PORT=port)
        dsn = services.database("patient")
        began = time.perf_counter()
        asyncio.run(_fill(dsn))
        yield shown(f"filled to {PATIENTS:,} patients", time.perf_counter() - began, " s")
        for name, path in _WAYS.items():
            answers = load(patient.http, 1, path, {}, SECONDS)
            yield within(f"{name}, p95", answers.p95, BAR_S, f"{answers.per_second:,.0f}/s by one client")
        sent = asyncio.run(pace(port, [_newcomer(n) for n in range(NEWCOMERS)], 4, PER_SECOND))
        yield shown(f"A28 at {PER_SECOND:.0f}/s to AA, p95", sent.quantile(0.95) * 1000, " ms")
        began = time.perf_counter()
        asyncio.run(_all_suspected(dsn))
        yield shown("the last of them on the review list after", (time.perf_counter() - began) * 1000, " ms")


def _someone() -> int:
    return CHANCE.randrange(PATIENTS)


_WAYS: Final[Mapping[str, Callable[[], str]]] = {
    "by number and issuer": lambda: f"/api/patient/patients?number=P{_someone():06d}&issuer=GENERAL",
    "by a further number": lambda: f"/api/patient/patients?number=N{_someone():06d}-7",
    "by id": lambda: f"/api/patient/patients/{_key(_someone())}",
    "PIXm by a further number": lambda: f"/fhir/Patient/$ihe-pix?sourceIdentifier=HOSPITAL3|N{_someone():06d}-3",
}


def _key(number: int) -> UUID:
    return patient_key(_NAMESPACE, "GENERAL", f"P{number:06d}")


def _family(number: int) -> str:
    return FAMILIES[number % len(FAMILIES)]


def _given(number: int) -> str:
    return GIVEN[number * 7 % len(GIVEN)]


def _born(number: int) -> date:
    return date(1930, 1, 1) + timedelta(days=number * 37 % 30_000)


def _keys(number: int) -> Iterator[str]:
    """As `patient` writes them (`domain/blocking.py`)."""
    born, names = _born(number), (_family(number).lower(), _given(number).lower())
    digits = "".join(sorted(f"{born:%Y%m%d}"))
    yield f"born {born}"
    yield f"names {' '.join(sorted(names))}"
    yield from {f"name and date {name[:4]} {digits}" for name in names}


def _newcomer(number: int) -> bytes:
    """Somebody who is known already: the digits of the day are swapped, and the number is new."""
    born, at = f"{_born(number):%Y%m%d}", f"2026030209{number // 60 % 60:02d}{number % 60:02d}"
    swapped = born[:6] + born[7] + born[6] if "01" <= born[7] + born[6] <= "28" else born
    header = f"MSH|^~\\&|ADT|SOUTH|FJ|FJ|{at}||ADT^A28|N{number}|P|2.5.1"
    pid = f"PID|1||S{number:06d}^^^SOUTH||{_family(number)}^{_given(number)}||{swapped}|F"
    return "\r".join((header, f"EVN|A28|{at}", pid)).encode()


async def _fill(dsn: str) -> None:
    database = await asyncpg.connect(dsn)
    others = [[(f"N{n:06d}-{k}", f"HOSPITAL{k}") for k in range(1, NUMBERS_EACH)] for n in range(PATIENTS)]
    keys = [_key(n) for n in range(PATIENTS)]
    columns = ("patient_id", "site", "provisional", "source", "details")
    rows = ((keys[n], "MAIN", False, "HL7", _details(n, others[n])) for n in range(PATIENTS))
    await database.copy_records_to_table("patients", records=rows, columns=columns)
    numbers = (
        (value, issuer, keys[n]) for n in range(PATIENTS) for value, issuer in ((f"P{n:06d}", "GENERAL"), *others[n])
    )
    await database.copy_records_to_table("identifiers", records=numbers, columns=("value", "issuer", "patient_id"))
    found_by = ((key, keys[n]) for n in range(PATIENTS) for key in _keys(n))
    await database.copy_records_to_table("match_keys", records=found_by, columns=("key", "patient_id"))
    for table in ("patients", "identifiers", "match_keys"):
        await database.execute(f"VACUUM ANALYZE {table}")
    await database.close()


def _details(number: int, others: list[tuple[str, str]]) -> str:
    return _DETAILS.format(
        number=f"P{number:06d}",
        family=_family(number),
        given=_given(number),
        born=_born(number),
        others=", ".join(_OTHER.format(number=value, issuer=issuer) for value, issuer in others),
    )


async def _all_suspected(dsn: str) -> None:
    """Each newcomer, and whom they are; namesakes that were born alike may be more."""
    database = await asyncpg.connect(dsn)
    pairs = [(_key(n), patient_key(_NAMESPACE, "SOUTH", f"S{n:06d}")) for n in range(NEWCOMERS)]
    ones, others = ([str(side) for side in sides] for sides in zip(*map(sorted, pairs), strict=True))
    count = """SELECT count(*) FROM suspicions JOIN unnest($1::uuid[], $2::uuid[]) AS pair (one_id, other_id)
               USING (one_id, other_id)"""

    async def are_there() -> bool:
        return bool(await database.fetchval(count, ones, others) == NEWCOMERS)

    await eventually(are_there, within=60, every=0.01)
    await database.close()
