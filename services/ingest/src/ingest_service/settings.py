"""What can be set: environment variables with the prefix INGEST_, and those that the installation shares."""

from pathlib import Path
from typing import Annotated, Literal

from fj_events import Uid
from fj_runtime import Port, ServiceSettings
from pydantic import Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

GIB = 1024**3
MIB = 1024**2


class Settings(ServiceSettings):
    """Settings of `ingest`; times in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    http_port: Port = 8094
    dimse_host: str = "127.0.0.1"
    dimse_port: Port = 11112
    ae_title: str = "FJ_STORE"
    callers: frozenset[str] = frozenset()
    """Calling AE titles that may store, as a JSON list; empty: any."""
    known_callers_only: bool = False
    """Only callers that FJ_PEERS lists may store."""
    sop_classes: tuple[Uid, ...] = Field(default=(), validation_alias="FJ_SOP_CLASSES")
    """Further SOP classes to store, private ones or those of tomorrow, as a JSON list of UIDs."""
    operations_window: int = Field(default=64, ge=1)
    """How many C-STOREs a sender may have under way at once, where it asks for more than one."""
    associations_max: int = Field(default=250, ge=1)
    """Of this process; then the one that has been idle longest makes way."""
    idle_timeout: float = Field(default=600, gt=0)
    """After which an association that does nothing is aborted."""
    network_timeout: float = Field(default=60, gt=0)
    """How long a sender may fall silent inside a message."""
    peers: Path | None = Field(default=None, validation_alias="FJ_PEERS")
    stow_site: str = Field(default="MAIN", pattern=r"^[A-Za-z0-9_-]{1,32}$")
    """The site of what comes over HTTP."""
    stow_bytes_max: int = Field(default=8 * GIB, ge=1)
    """Of one STOW request."""

    journal: Annotated[tuple[Path, ...], NoDecode] = (Path(".filmjacket/data/journal"),)
    """Folders on durable local disks, with `:` between them; all ingest processes of a node share them."""
    journal_free_min: int = Field(default=2 * GIB, ge=0)
    """Below so much free disk, senders are told 0xA700 until there is more."""
    ack_after: Literal["journal", "object"] = "journal"
    """When a sender is told success: when its instance is in the journal; or when its pack and its fact are out, for
    nodes without a durable disk. Then each instance is a pack of its own."""
    object_deadline: float = Field(default=20, gt=0)
    """How long a sender waits for the object store and the database where it has to."""
    segment_bytes: int = Field(default=256 * MIB, ge=MIB)
    segment_idle: float = Field(default=5, gt=0)
    segment_age: float = Field(default=30, gt=0)
    """When a segment closes and is shipped: what a lost disk can cost."""

    @field_validator("journal", mode="before")
    @classmethod
    def _folders(cls, value: object) -> object:
        return tuple(value.split(":")) if isinstance(value, str) else value

    @field_validator("journal")
    @classmethod
    def _is_somewhere(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        if not value or Path() in value or len(set(value)) < len(value):
            raise ValueError("one or more folders expected, each once, with ':' between them")
        return value
