"""The operator's side of the store, on the minio client: buckets, policies, presigned links."""

import asyncio
import json
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.error import MinioException, S3Error
from minio.lifecycleconfig import AbortIncompleteMultipartUpload, LifecycleConfig, Rule

from fj_objects.errors import StoreUnavailable
from fj_objects.settings import S3Settings

_RULE: Final = "filmjacket-abort-uploads"


class Buckets:
    """The minio client is synchronous: each call runs in a thread. All raise `StoreUnavailable`."""

    def __init__(self, settings: S3Settings) -> None:
        self._bucket = settings.bucket
        endpoint = urlsplit(settings.endpoint)
        self._client = Minio(
            endpoint.netloc,
            access_key=settings.access_key,
            secret_key=settings.secret_key.get_secret_value(),
            secure=endpoint.scheme == "https",
            region=settings.region,
            http_client=urllib3.PoolManager(
                timeout=urllib3.Timeout(connect=5, read=settings.timeout_s), retries=urllib3.Retry(2), maxsize=4
            ),
        )

    async def ensure(self) -> None:
        """Make the bucket unless it is there."""
        await asyncio.to_thread(self._guarded, self._ensure)

    async def abort_uploads_after(self, days: int) -> None:
        """Have the store remove the parts of uploads that were begun so long ago and not finished.

        One lifecycle rule; others that the bucket has stay. When the store acts on it is the store's affair.
        """
        await asyncio.to_thread(self._guarded, self._abort_uploads_after, days)

    async def set_policy(self, policy: dict[str, Any]) -> None:
        """Replace the bucket's policy (an IAM policy document)."""
        await asyncio.to_thread(self._guarded, self._client.set_bucket_policy, self._bucket, json.dumps(policy))

    async def presigned_get(self, key: str, expires: timedelta) -> str:
        """A link that reads one object without credentials until it expires."""
        link: str = await asyncio.to_thread(
            self._guarded, self._client.presigned_get_object, self._bucket, key, expires
        )
        return link

    def _ensure(self) -> None:
        if self._client.bucket_exists(self._bucket):
            return
        try:
            self._client.make_bucket(self._bucket)
        except S3Error as refusal:
            # Another process was quicker.
            if refusal.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                raise

    def _abort_uploads_after(self, days: int) -> None:
        rule = Rule(
            ENABLED,
            rule_id=_RULE,
            rule_filter=Filter(prefix=""),
            abort_incomplete_multipart_upload=AbortIncompleteMultipartUpload(days),
        )
        known = self._client.get_bucket_lifecycle(self._bucket)
        others = [other for other in known.rules if other.rule_id != _RULE] if known else []
        self._client.set_bucket_lifecycle(self._bucket, LifecycleConfig([*others, rule]))

    def _guarded(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except (MinioException, urllib3.exceptions.HTTPError) as reason:
            raise StoreUnavailable(self._bucket, reason) from reason
