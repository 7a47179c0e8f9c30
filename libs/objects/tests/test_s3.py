"""The adapters against a real S3 store."""

import asyncio
import hashlib
import secrets
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fj_objects import (
    Buckets,
    ByteRange,
    NoSuchObject,
    ObjectConflict,
    ObjectError,
    S3Settings,
    S3Store,
    StoreUnavailable,
)
from fj_objects.s3 import PART_SIZE
from fj_testing.between import ANSWERED, Between, closed_at_once, torn_in_the_answer
from fj_testing.stack import S3
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
from pydantic import SecretStr

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def settings(s3: S3) -> S3Settings:
    return S3Settings(
        endpoint=s3.endpoint, bucket=s3.bucket, access_key=s3.access_key, secret_key=SecretStr(s3.secret_key)
    )


@pytest.fixture(scope="module")
def store(settings: S3Settings) -> S3Store:
    return S3Store(settings)


@pytest.fixture
def key() -> str:
    return f"tests/{secrets.token_hex(8)}"


async def test_an_object_is_what_was_put(store: S3Store, key: str, s3: S3) -> None:
    data = secrets.token_bytes(5000)
    stored = await store.put(key, data)
    assert (stored.bucket, stored.key, stored.size) == (s3.bucket, key, 5000)
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert await store.get(key) == data
    assert await store.head(key) == stored
    assert await store.get_range(key, ByteRange(100, 50)) == data[100:150]
    assert await store.get_ranges(key, [ByteRange(4990, 10), ByteRange(0, 3)]) == [data[4990:], data[:3]]
    assert b"".join([piece async for piece in store.stream(key)]) == data
    assert b"".join([piece async for piece in store.stream(key, ByteRange(7, 4000))]) == data[7:4007]


@pytest.mark.parametrize("size", [1000, PART_SIZE, PART_SIZE * 2 + 12345])
async def test_a_file_is_put_once_and_found_again(store: S3Store, key: str, tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    data = secrets.token_bytes(1000) * (size // 1000) + bytes(size % 1000)
    file.write_bytes(data)
    stored = await store.put_file(key, file)
    assert (stored.size, stored.sha256) == (size, hashlib.sha256(data).hexdigest())
    assert await store.put_file(key, file) == stored
    file.write_bytes(data[:-1] + b"x")
    with pytest.raises(ObjectConflict):
        await store.put_file(key, file)
    assert await store.get_range(key, ByteRange(size - 10, 10)) == data[-10:]


async def test_what_a_stream_has_not_given_when_its_request_ends_is_asked_for(
    settings: S3Settings, store: S3Store, key: str, free_port: Callable[[], int]
) -> None:
    """As of an object that takes longer than one request may."""
    data = secrets.token_bytes(1000) * 4_000
    await store.put(key, data)
    between, port = Between(settings.endpoint), free_port()
    async with between.listening(port):
        between.fault = torn_in_the_answer
        # Without the client's own tries, which are over with `retry_s`.
        torn = settings.model_copy(update={"endpoint": f"http://127.0.0.1:{port}", "retry_s": 0.0})
        assert b"".join([piece async for piece in S3Store(torn).stream(key)]) == data
        assert between.failed > len(data) // ANSWERED
        part = ByteRange(7, 3_000_000)
        assert b"".join([piece async for piece in S3Store(torn).stream(key, part)]) == data[7:3_000_007]
        between.fault = closed_at_once
        with pytest.raises(StoreUnavailable):
            _ = [piece async for piece in S3Store(torn).stream(key)]


async def test_a_stream_does_not_go_on_with_another_object(
    settings: S3Settings, store: S3Store, key: str, free_port: Callable[[], int]
) -> None:
    await store.put(key, bytes(4_000_000))
    between, port = Between(settings.endpoint), free_port()
    async with between.listening(port):
        between.fault = torn_in_the_answer
        torn = settings.model_copy(update={"endpoint": f"http://127.0.0.1:{port}", "retry_s": 0.0})
        pieces = S3Store(torn).stream(key)
        assert not any(await anext(pieces))
        await store.delete(key)
        await store.put(key, b"\xff" * 4_000_000)
        given = bytearray()

        async def go_on() -> None:
            async for piece in pieces:
                given.extend(piece)

        with pytest.raises(StoreUnavailable, match="Precondition"):
            await go_on()
        assert not any(given)


@pytest.mark.parametrize("size", [1000, PART_SIZE + 1], ids=["one request", "multipart"])
@pytest.mark.parametrize("storage_class", ["STANDARD_IA", None])
async def test_an_object_has_the_storage_class_that_is_asked_for(
    settings: S3Settings, key: str, tmp_path: Path, size: int, storage_class: str | None
) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(size))
    await S3Store(settings, storage_class).put_file(key, file)
    async with httpx.AsyncClient() as http:
        answer = await http.get(await Buckets(settings).presigned_get(key, timedelta(minutes=5)))
    assert answer.content == bytes(size)
    assert answer.headers.get("x-amz-storage-class") == storage_class  # S3 does not name its standard class


async def test_an_object_is_never_overwritten(store: S3Store, key: str) -> None:
    await store.put(key, b"first")
    assert (await store.put(key, b"first")).size == 5
    with pytest.raises(ObjectConflict, match=key):
        await store.put(key, b"other")
    assert await store.get(key) == b"first"


async def test_what_is_not_there(store: S3Store, key: str) -> None:
    for asking in (store.get(key), store.head(key), store.get_range(key, ByteRange(0, 1))):
        with pytest.raises(NoSuchObject, match=key):
            await asking
    await store.delete(key)
    await store.put(key, b"x")
    await store.delete(key)
    with pytest.raises(NoSuchObject):
        await store.head(key)


async def test_a_cut_beyond_the_end_is_an_error(store: S3Store, key: str) -> None:
    await store.put(key, b"0123456789")
    with pytest.raises(ObjectError):
        await store.get_range(key, ByteRange(5, 6))
    with pytest.raises(ObjectError):
        _ = [piece async for piece in store.stream(key, ByteRange(5, 6))]


async def test_a_store_that_does_not_answer(settings: S3Settings, free_port: Callable[[], int]) -> None:
    nowhere = settings.model_copy(update={"endpoint": f"http://127.0.0.1:{free_port()}", "retry_s": 0.5})
    with pytest.raises(StoreUnavailable) as failure:
        await S3Store(nowhere).get("key")
    assert "\n" not in str(failure.value)
    with pytest.raises(StoreUnavailable):
        await Buckets(nowhere).ensure()


async def test_wrong_credentials_are_told_without_the_secret(settings: S3Settings, key: str) -> None:
    wrong = settings.model_copy(update={"secret_key": SecretStr("wrong-secret")})
    with pytest.raises(StoreUnavailable) as failure:
        await S3Store(wrong).put(key, b"x")
    assert "wrong-secret" not in str(failure.value)


async def test_a_presigned_link_needs_no_credentials(settings: S3Settings, store: S3Store, key: str) -> None:
    await store.put(key, b"linked")
    link = await Buckets(settings).presigned_get(key, timedelta(minutes=5))
    async with httpx.AsyncClient() as http:
        assert (await http.get(link)).content == b"linked"
        assert (await http.get(link.partition("?")[0])).status_code == 403


async def test_unfinished_uploads_have_an_end_beside_the_rules_that_are_there(settings: S3Settings) -> None:
    buckets = Buckets(settings)
    client: Any = buckets._client
    theirs = Rule(ENABLED, rule_id="theirs", rule_filter=Filter(prefix="drafts/"), expiration=Expiration(days=30))
    client.set_bucket_lifecycle(settings.bucket, LifecycleConfig([theirs]))
    try:
        for days in (3, 7):
            await buckets.abort_uploads_after(days)
        rules = {rule.rule_id: rule for rule in client.get_bucket_lifecycle(settings.bucket).rules}
    finally:
        client.delete_bucket_lifecycle(settings.bucket)
    assert set(rules) == {"theirs", "filmjacket-abort-uploads"}
    abort = rules["filmjacket-abort-uploads"].abort_incomplete_multipart_upload
    assert (abort.days_after_initiation, rules["theirs"].expiration.days) == (7, 30)


async def test_the_bucket_is_made_ready_by_a_command(s3: S3, settings: S3Settings) -> None:
    given = {"FJ_S3_ENDPOINT": s3.endpoint, "FJ_S3_BUCKET": s3.bucket, "FJ_S3_ACCESS_KEY": s3.access_key}
    command = [sys.executable, "-m", "fj_objects"]
    client: Any = Buckets(settings)._client
    try:
        for _ in range(2):
            done = await asyncio.create_subprocess_exec(*command, env=given | {"FJ_S3_SECRET_KEY": s3.secret_key})
            assert await done.wait() == 0
        (rule,) = client.get_bucket_lifecycle(s3.bucket).rules
        assert rule.abort_incomplete_multipart_upload.days_after_initiation == 7
    finally:
        client.delete_bucket_lifecycle(s3.bucket)


async def test_buckets_are_made_once(s3: S3) -> None:
    admin = S3Settings(
        endpoint=s3.endpoint, bucket=s3.bucket, access_key=s3.access_key, secret_key=SecretStr(s3.secret_key)
    )
    await Buckets(admin).ensure()
    await Buckets(admin).ensure()
