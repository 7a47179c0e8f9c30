"""The routing rules of `FJ_ROUTES`."""

from pathlib import Path
from typing import ClassVar, Final

import yaml
from fj_dicom import Peers

from storage_service.domain.routing import Routes, Rule

_CONDITIONS: Final = {
    "site": "sites",
    "modality": "modalities",
    "calling_ae_title": "calling_ae_titles",
    "description": "descriptions",
}


class BadRoutes(ValueError):
    """FJ_ROUTES does not fit; names the rule and what was expected."""

    phi_free: ClassVar[bool] = True  # the log may print the text: the file is an operator's


def load_routes(path: Path | None, peers: Peers) -> Routes:
    """Read the YAML file; no path, no rules. Raises BadRoutes."""
    notified = tuple(peer.ae_title for peer in peers if peer.availability_notification)
    if path is None:
        return Routes((), notified)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as reason:
        raise BadRoutes(f"FJ_ROUTES {path}: {reason}") from None
    if not isinstance(content, list):
        raise BadRoutes(f"FJ_ROUTES {path}: a list of rules expected, a {type(content).__name__} found")
    return Routes(tuple(_rule(entry, number, peers) for number, entry in enumerate(content, start=1)), notified)


def _rule(entry: object, number: int, peers: Peers) -> Rule:
    if not isinstance(entry, dict) or not {"to"} <= set(entry) <= {"name", "when", "to"}:
        raise BadRoutes(f"rule {number}: name, when and to expected (name and when may be left out)")
    name = str(entry.get("name", number))
    when = entry.get("when") or {}
    if not isinstance(when, dict) or (unknown := set(map(str, when)) - _CONDITIONS.keys()):
        expected = ", ".join(_CONDITIONS)
        raise BadRoutes(f"rule {name}: when may have {expected}" + (f", not {min(unknown)}" if when else ""))
    destinations = tuple(_texts(entry["to"], f"rule {name}: to"))
    for title in destinations:
        if peers.get(title) is None:
            raise BadRoutes(f"rule {name}: {title} is not in FJ_PEERS")
    asked = {_CONDITIONS[key]: _texts(value, f"rule {name}: {key}") for key, value in when.items()}
    return Rule(
        name,
        destinations,
        sites=frozenset(asked.get("sites", ())),
        modalities=frozenset(asked.get("modalities", ())),
        calling_ae_titles=frozenset(asked.get("calling_ae_titles", ())),
        descriptions=tuple(asked.get("descriptions", ())),
    )


def _texts(value: object, where: str) -> list[str]:
    """One text or a list of them."""
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(one, str) and one for one in texts):
        raise BadRoutes(f"{where}: a text or a list of texts expected")
    return [str(one) for one in texts]
