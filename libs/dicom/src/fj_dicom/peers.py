"""The known peers of `FJ_PEERS`: AE title -> address, site, and what is different about them."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import yaml
from pydicom._uid_dict import UID_dictionary

MAIN_SITE: Final = "MAIN"
_AE_TITLE: Final = re.compile(r"[ -\[\]-~]{1,16}")
_SITE: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")
_UID_LENGTH: Final = 64
_NAME_LENGTH: Final = 64
_UIDS: Final = {entry[4]: uid for uid, entry in UID_dictionary.items() if entry[4]}
"""By keyword, such as `CTImageStorage` (PS3.6 Annex A)."""
ASSOCIATIONS_MAX: Final = 16


class BadPeers(ValueError):
    """FJ_PEERS does not fit; names the entry, the field, and what was expected."""

    phi_free: ClassVar[bool] = True  # the log may print the text: the file is an operator's


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote application entity: where it listens, to which site it belongs, and how it is received."""

    ae_title: str
    host: str
    port: int
    site: str = MAIN_SITE
    associations: int = 1
    """How many of ours it takes at once, where much is sent to it."""
    transfer_syntaxes: frozenset[str] = frozenset()
    """In which it may store; empty: in every one."""
    sop_classes: frozenset[str] = frozenset()
    """What it may store; empty: everything."""
    patient_id_issuer: str | None = None
    """Whose its patient numbers are, where its data sets do not say so; None: the site's."""
    accession_issuer: str | None = None
    station_name: str | None = None
    """What it is called, where its data sets do not say so."""
    availability_notification: bool = False
    """It wants to be told when a study is available (PS3.4 Annex R)."""
    performed_procedure_steps: bool = False
    """It wants the MPPS that modalities send to us (IHE RAD-6, RAD-7)."""
    unconfirmed: bool = False
    """It may see studies that show somebody else than their number is of, where not everybody may."""


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

    def __iter__(self) -> Iterator[Peer]:
        return iter(self._peers.values())

    def get(self, ae_title: str) -> Peer | None:
        """The peer, if it is known."""
        return self._peers.get(ae_title)

    def site(self, ae_title: str) -> str:
        """The site of a caller."""
        peer = self._peers.get(ae_title)
        return MAIN_SITE if peer is None else peer.site


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field of an entry is read; `read` raises ValueError or TypeError with what is wrong."""

    read: Callable[[Any], object]
    expected: str
    default: object = field(default=None)
    needed: bool = False


def _peer(title: str, entry: object) -> Peer:
    if not _AE_TITLE.fullmatch(title):
        raise BadPeers(f"peer {title!r}: an AE title has 1 to 16 printable characters and no backslash (PS3.5 6.2)")
    if not isinstance(entry, dict):
        raise BadPeers(f"peer {title!r}: a mapping with host and port expected, a {type(entry).__name__} found")
    if unknown := set(map(str, entry)) - _FIELDS.keys():
        raise BadPeers(f"peer {title!r}: there is no field {min(unknown)!r}; there are {', '.join(_FIELDS)}")
    return Peer(title, **{name: _value(title, name, how, entry) for name, how in _FIELDS.items()})  # type: ignore[arg-type]  # each reader makes the type of its own field


def _value(title: str, name: str, how: _Field, entry: Mapping[str, object]) -> object:
    if name not in entry:
        if how.needed:
            raise BadPeers(f"peer {title!r}: {name} is missing")
        return how.default
    try:
        return how.read(entry[name])
    except (ValueError, TypeError):
        raise BadPeers(f"peer {title!r}: {name}: {how.expected} expected, {entry[name]!r} found") from None


def _host(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value


def _port(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 65536:
        raise ValueError
    return value


def _associations(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= ASSOCIATIONS_MAX:
        raise ValueError
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _site(value: object) -> str:
    if not _SITE.fullmatch(str(value)):
        raise ValueError
    return str(value)


def _named(value: object) -> str:
    text = str(value)
    if not text.strip() or len(text) > _NAME_LENGTH or not text.isprintable() or "\\" in text:
        raise ValueError
    return text


def _uids(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise ValueError
    return frozenset(_uid(str(one)) for one in value)


def _uid(written: str) -> str:
    uid = _UIDS.get(written, written)
    if len(uid) > _UID_LENGTH or not _UID.fullmatch(uid):
        raise ValueError
    return uid


_UID_LIST: Final = "a list of UIDs or their keywords (PS3.6 Annex A)"
_SHORT_TEXT: Final = f"a text of at most {_NAME_LENGTH} characters without backslash"
_FIELDS: Final[Mapping[str, _Field]] = {
    "host": _Field(_host, "a name or address", needed=True),
    "port": _Field(_port, "a port number", needed=True),
    "site": _Field(_site, "1 to 32 letters, digits, '_' or '-'", MAIN_SITE),
    "associations": _Field(_associations, f"1 to {ASSOCIATIONS_MAX}", 1),
    "availability_notification": _Field(_switch, "true or false", default=False),
    "performed_procedure_steps": _Field(_switch, "true or false", default=False),
    "unconfirmed": _Field(_switch, "true or false", default=False),
    "transfer_syntaxes": _Field(_uids, _UID_LIST, frozenset()),
    "sop_classes": _Field(_uids, _UID_LIST, frozenset()),
    "patient_id_issuer": _Field(_named, _SHORT_TEXT),
    "accession_issuer": _Field(_named, _SHORT_TEXT),
    "station_name": _Field(_named, _SHORT_TEXT),
}
