"""The doors of a running `ingest`, from the outside."""

from dataclasses import dataclass
from typing import Any

import httpx
from fj_objects import ByteRange, S3Settings, S3Store
from fj_testing import Log, ServiceProcess, eventually
from fj_testing.stack import S3
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class World:
    """What a running ingest has made of what it was sent."""

    process: ServiceProcess
    log: Log
    packs: S3Store

    async def facts(self, study: str, count: int = 1, within: float = 30.0) -> list[dict[str, Any]]:
        """The bodies of the study's facts, as soon as there are `count`."""
        records = await self.log.wait_for(
            "instance-events", where=lambda record: record.key == study, count=count, within=within
        )
        return [record.body for record in records]

    async def data_of(self, fact: dict[str, Any], nth: int = 0) -> bytes:
        """The data set of one of its instances, cut out of the pack."""
        file = await self.file_of(fact, nth)
        return file[fact["instances"][nth]["data_offset"] :]

    async def file_of(self, fact: dict[str, Any], nth: int = 0) -> bytes:
        """The Part 10 file of one of its instances."""
        instance = fact["instances"][nth]
        return await self.packs.get_range(fact["pack"]["key"], ByteRange(instance["offset"], instance["length"]))

    async def journal(self) -> dict[str, Any]:
        """What the operator sees of the journal."""
        async with httpx.AsyncClient(base_url=self.process.http) as http:
            answer: dict[str, Any] = (await http.get("/api/ingest/journal")).raise_for_status().json()
            return answer

    async def journal_is_empty(self, within: float = 30.0) -> None:
        """Wait until everything has left the journal."""

        async def empty() -> bool:
            return not (await self.journal())["segments"]

        await eventually(empty, within=within, what="the journal is empty")


def store_of(s3: S3) -> S3Store:
    """The object store of the tests."""
    return S3Store(
        S3Settings(
            endpoint=s3.endpoint, bucket=s3.bucket, access_key=s3.access_key, secret_key=SecretStr(s3.secret_key)
        )
    )
