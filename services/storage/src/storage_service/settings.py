"""What can be set: environment variables with the prefix STORAGE_, and those that the installation shares."""

from datetime import timedelta
from pathlib import Path

from fj_events import Uid
from fj_runtime import Port, ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from storage_service.committing import Patience as CommitmentPatience
from storage_service.domain.assembly import Patience
from storage_service.entrypoints.sight import Unconfirmed
from storage_service.handlers import Rules


class Settings(ServiceSettings):
    """Settings of `storage`. The object store has its own, `FJ_S3_…`."""

    model_config = SettingsConfigDict(env_prefix="STORAGE_")

    http_port: Port = 8095
    dimse_host: str = "127.0.0.1"
    dimse_port: Port = 11113
    """Query and retrieve."""
    dimse_processes_share_port: bool = False
    """Several processes listen on the port (SO_REUSEPORT), and the kernel deals the associations out."""
    ae_title: str = Field(default="FJ_QR", min_length=1, max_length=16)
    callers: str = ""
    """Calling AE titles that may associate, separated by commas; empty: any."""
    associations_max: int = Field(default=100, ge=1)
    """At once, in this process."""
    sop_classes: tuple[Uid, ...] = Field(default=(), validation_alias="FJ_SOP_CLASSES")
    """Further SOP classes that C-GET can send, private ones or those of tomorrow: what `ingest` takes."""
    find_limit: int = Field(default=10_000, ge=1)
    """Most matches of one C-FIND; a query that more match gets these, and A700H at the end."""
    commitment_ae_title: str = Field(default="FJ_STORE", min_length=1, max_length=16)
    """As whom the results of storage commitment are told."""
    commitment_patience: float = Field(default=600, ge=0)
    """Seconds that instances named in a storage commitment request may be on their way."""
    commitment_days: float = Field(default=7, gt=0)
    """Days for which the sender of a request is called again."""
    send_days: float = Field(default=3, gt=0)
    """Days for which a destination of the routing rules is tried."""
    routes: Path | None = Field(default=None, validation_alias="FJ_ROUTES")
    """YAML file of rules: which studies are sent on, and where."""
    lifecycle: Path | None = Field(default=None, validation_alias="FJ_LIFECYCLE")
    """YAML file of rules: how long studies are kept; without it, for ever."""
    lifecycle_seconds: float = Field(default=3600, gt=0)
    """How often studies are looked for that are due by it."""
    move_bytes_per_second: int = Field(default=50_000_000, ge=1)
    """The pace at which packs are moved to another tier, of each process."""
    deletion_delay: float = Field(default=3600, ge=0)
    """Seconds after which objects are deleted that nothing names any more: who reads in them may finish."""
    peers: Path | None = Field(default=None, validation_alias="FJ_PEERS")
    """YAML file of known AE titles."""
    unconfirmed: Unconfirmed = Unconfirmed.EVERYBODY
    """Who may see studies of which it is in doubt whose they are."""
    quiet_time: float = Field(default=60, gt=0)
    """Seconds without a new instance after which a study is complete, where no MPPS says so."""
    mpps_limit: float = Field(default=14_400, gt=0)
    """Seconds without a new instance after which an MPPS that is still in progress no longer holds a study open."""
    sweep_seconds: float = Field(default=0.1, gt=0)
    """How often studies are looked for whose time has come."""
    match_days: int = Field(default=1, ge=0)
    """Days between a study and an order that its patient alone may match."""
    search_limit: int = Field(default=1000, ge=1)
    """Most results of one search; more have to be asked for page by page."""

    verify_days: float = Field(default=30, ge=0)
    """Every pack is read and compared with what was stored once in so many days."""
    verify_bytes_per_second: int = Field(default=20_000_000, ge=0)
    """The pace of that, of each process; 0: nothing is read."""

    cache_folder: Path | None = None
    """Where packs are kept that were just received or read; without it each read goes to the object store."""
    cache_bytes: int = Field(default=20 * 2**30, ge=2**20)
    """Most bytes in that folder."""

    priors_hours: float = Field(default=24, ge=0)
    """Hours before an exam at which the patient's earlier images are fetched into that folder; 0: never."""
    priors_bytes: int = Field(default=2 * 2**30, ge=0)
    """Most bytes of them for one exam."""
    priors_bytes_per_second: int = Field(default=50_000_000, ge=1)
    """The pace of that, of each process."""

    @property
    def rules(self) -> Rules:
        """How long to wait and what to match."""
        patience = Patience(timedelta(seconds=self.quiet_time), timedelta(seconds=self.mpps_limit))
        return Rules(patience, timedelta(days=self.match_days))

    @property
    def commitment_waits(self) -> CommitmentPatience:
        """How long a storage commitment request waits for instances, and for its sender."""
        return CommitmentPatience(timedelta(seconds=self.commitment_patience), timedelta(days=self.commitment_days))
