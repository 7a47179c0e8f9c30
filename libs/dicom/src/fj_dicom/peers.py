"""The known peers of `FJ_PEERS`: AE title -> address and site."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

import yaml

MAIN_SITE: Final = "MAIN"
_AE_TITLE: Final = re.compile(r"[ -\[\]-~]{1,16}")
_SITE: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_FIELDS: Final = {"host", "port", "site", "associations"}
ASSOCIATIONS_MAX: Final = 16


class BadPeers(ValueError):
    """FJ_PEERS does not fit; names the entry and what was expected."""

    phi_free: ClassVar[bool] = True  # the log may print the text: the file is an operator's


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote application entity: where it listens and to which site it belongs."""

    ae_title: str
    host: str
    port: int
    site: str
    associations: int = 1
    """How many of ours it takes at once, where much is sent to it."""


class Peers:
    """All known peers. A caller that is not listed belongs to site `MAIN` and has no address."""

    def __init__(self, peers: Mapping[str, Peer]) -> None:
        self._peers = dict(peers)

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """Read the YAML file; no path, no peers. Raises BadPeers."""
        if path is None:
            return cls({})
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
            raise BadPeers(f"FJ_PEERS {path}: {reason}") from None
        if not isinstance(content, dict):
            raise BadPeers(f"FJ_PEERS {path}: a mapping of AE titles expected, a {type(content).__name__} found")
        return cls({str(title): _peer(str(title), entry) for title, entry in content.items()})

    def get(self, ae_title: str) -> Peer | None:
        """The peer, if it is known."""
        return self._peers.get(ae_title)

    def site(self, ae_title: str) -> str:
        """The site of a caller."""
        peer = self._peers.get(ae_title)
        return MAIN_SITE if peer is None else peer.site


def _peer(title: str, entry: object) -> Peer:
    if not _AE_TITLE.fullmatch(title):
        raise BadPeers(f"peer {title!r}: an AE title has 1 to 16 printable characters and no backslash (PS3.5 6.2)")
    if not isinstance(entry, dict) or not {"host", "port"} <= set(entry) <= _FIELDS:
        raise BadPeers(f"peer {title!r}: host, port, site and associations expected (the last two may be left out)")
    port = entry["port"]
    if not isinstance(port, int) or not 0 < port < 65536:
        raise BadPeers(f"peer {title!r}: a port number expected, {port!r} found")
    site = str(entry.get("site", MAIN_SITE))
    if not _SITE.fullmatch(site):
        raise BadPeers(f"peer {title!r}: a site has 1 to 32 letters, digits, '_' or '-'; {site!r} found")
    associations = entry.get("associations", 1)
    if not isinstance(associations, int) or not 0 < associations <= ASSOCIATIONS_MAX:
        raise BadPeers(f"peer {title!r}: 1 to {ASSOCIATIONS_MAX} associations expected, {associations!r} found")
    return Peer(title, str(entry["host"]), port, site, associations)
