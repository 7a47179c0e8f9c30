"""The object-store port and its S3 adapters."""

from fj_objects.buckets import Buckets
from fj_objects.errors import NoSuchObject, ObjectConflict, ObjectError, StoreUnavailable
from fj_objects.port import ByteRange, ObjectInfo, ObjectStore
from fj_objects.s3 import S3Store
from fj_objects.settings import S3Settings

__all__ = [
    "Buckets",
    "ByteRange",
    "NoSuchObject",
    "ObjectConflict",
    "ObjectError",
    "ObjectInfo",
    "ObjectStore",
    "S3Settings",
    "S3Store",
    "StoreUnavailable",
]
