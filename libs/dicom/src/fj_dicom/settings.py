"""How one SCP listens."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScpSettings:
    """Address, title and bounds of a listener; times in seconds, lengths in bytes."""

    ae_title: str
    """The only called AE title that is answered to."""
    port: int
    host: str = "127.0.0.1"
    callers: frozenset[str] = frozenset()
    """Calling AE titles that may associate; empty means any."""
    known_callers_only: bool = False
    """Only those that FJ_PEERS lists may associate."""
    operations_window: int = 1
    """How many operations a requestor may have under way at once, where it asks for more than one (PS3.7 D.3.3.3).
    They are performed one after the other, in their order; only for services that send one answer each."""
    max_pdu: int = 131072
    max_associations: int = 100
    """Of this process. One more takes the place of that which has been idle longest, or, where all are at work, is
    rejected as transient, `local limit exceeded`."""
    makes_way_after_s: float = 10.0
    """How long an association has to have been idle before another one may take its place."""
    reuse_port: bool = False
    """Several processes share the port (SO_REUSEPORT); the kernel deals the connections out."""
    request_timeout_s: float = 30.0
    """ARTIM: how long a connection may take to ask for an association."""
    idle_timeout_s: float = 600.0
    """How long an association may do nothing."""
    network_timeout_s: float = 60.0
    """How long a peer may fall silent inside a message, or take to read an answer."""
    answer_timeout_s: float = 30.0
    """How long a handler on the event loop may take."""
    drain_s: float = 8.0
    """How long associations may take to finish their message when the process stops."""
