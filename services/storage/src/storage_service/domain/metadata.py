"""The address of the DICOMweb root inside metadata that was made before anybody asked for it."""

from typing import Final

BASE: Final = "{dicomweb}"
_PLACE: Final = f'"BulkDataURI":"{BASE}/'.encode()


def with_base(metadata: bytes, base: str) -> bytes:
    """Metadata with real addresses. Inside a value the quotes would be escaped, so nothing else is touched."""
    return metadata.replace(_PLACE, f'"BulkDataURI":"{base}/'.encode())
