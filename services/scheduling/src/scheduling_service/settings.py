"""What can be set: environment variables with the prefix SCHEDULING_, and those that the installation shares."""

from pathlib import Path

from fj_doors import DoorSettings
from fj_runtime import Port
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(DoorSettings):
    """Settings of `scheduling`."""

    model_config = SettingsConfigDict(env_prefix="SCHEDULING_")

    http_port: Port = 8093
    dimse_host: str = "127.0.0.1"
    dimse_port: Port = 11114
    """Modality worklist and MPPS."""
    dimse_processes_share_port: bool = False
    """Several processes listen on the port (SO_REUSEPORT), and the kernel deals the associations out."""
    mllp_port: Port = 2578
    """SIU."""
    ae_title: str = Field(default="FJ_MWL", min_length=1, max_length=16)
    callers: str = ""
    """Calling AE titles that may associate, separated by commas; empty: any."""
    associations_max: int = Field(default=100, ge=1)
    """At once, in this process."""
    worklist_max: int = Field(default=20_000, ge=1)
    """Steps that one worklist query may match; a query that more match is refused (A700H)."""
    take_up: bool = True
    """Who waits for a slot is given one as soon as it is free; else only by a person."""
    notice_minutes: int = Field(default=120, ge=0)
    """How long before it a patient has to know of an appointment that the waiting list gives them."""
    forward_days: int = Field(default=7, ge=1)
    """How long MPPS are tried at another receiver."""
    forward_retention_days: int = Field(default=30, ge=1)
    """How long it is kept what was passed on, or given up."""
    public_url: str | None = None
    """How clients reach the gateway; absent: as a request names it."""
    catalogue: Path | None = None
    """YAML file of procedures and stations; absent: the one that comes with the service."""
    peers: Path | None = Field(default=None, validation_alias="FJ_PEERS")
    """YAML file of known AE titles."""
