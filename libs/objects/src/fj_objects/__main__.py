"""`python -m fj_objects`: make the bucket ready, from FJ_S3_…. Safe to run again."""

import asyncio
import sys

from fj_objects.buckets import Buckets
from fj_objects.settings import S3Settings


async def main() -> None:
    """The bucket is there, and uploads that nobody will finish are removed from it."""
    settings = S3Settings.model_validate({})
    buckets = Buckets(settings)
    await buckets.ensure()
    await buckets.abort_uploads_after(settings.abort_uploads_days)
    sys.stdout.write(f"bucket {settings.bucket} is ready\n")


if __name__ == "__main__":
    asyncio.run(main())
