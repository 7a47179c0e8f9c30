"""Passwords and keys of one installation: made once, kept in `FJ_HOME` for its owner only."""

import base64
import json
import os
import secrets
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(slots=True, repr=False)
class Credentials:
    """What `secrets.json` holds. `patient_namespace` is the UUID under which patient ids are derived."""

    postgres: str
    s3_admin: str
    s3_services: str
    patient_namespace: str
    hl7_key: str
    """What received messages are sealed under: 32 bytes in base64."""
    roles: dict[str, str] = field(default_factory=dict)


def load_credentials(path: Path, services: tuple[str, ...] = ()) -> Credentials:
    """Read them, or make them; a service that is new gets its password now."""
    known = json.loads(path.read_text()) if path.exists() else {}
    for name in ("postgres", "s3_admin", "s3_services"):
        known.setdefault(name, _password())
    known.setdefault("patient_namespace", str(uuid.uuid4()))
    known.setdefault("hl7_key", base64.b64encode(secrets.token_bytes(32)).decode())
    roles = known.setdefault("roles", {})
    for service in services:
        roles.setdefault(service, _password())
    credentials = Credentials(**known)
    _write(path, credentials)
    return credentials


def _password() -> str:
    return secrets.token_hex(20)


def _write(path: Path, credentials: Credentials) -> None:
    text = json.dumps(asdict(credentials), indent=1)
    if path.exists() and path.read_text() == text:
        return
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
