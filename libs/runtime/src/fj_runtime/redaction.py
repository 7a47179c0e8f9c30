"""What may stand in a log line: an allow-list, because nobody can list everything that identifies a patient."""

import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from uuid import UUID

_LENGTH_MAX: Final = 200
_ITEMS_MAX: Final = 20
_SPACE: Final = re.compile(r"\s")
_FRAMES_MAX: Final = 12
_CHAIN_MAX: Final = 6

# Keys that carry our own identifiers, addresses of the installation, counts and states: never what a person is called,
# a number that a hospital gave them, or words out of a message, an image or a report.
_safe: set[str] = {
    "action", "attempt", "attempts", "bytes", "called", "caller", "causation_id", "code", "command", "consumer",
    "contexts", "count", "destination", "door", "error", "event_id", "exam_key", "fact", "fact_type", "failures",
    "generation", "group", "host", "kind", "lag", "level", "limit", "logger", "member", "members", "method", "offset",
    "order_id", "outcome", "package", "part", "partition", "peer", "pid", "port", "role", "roles", "route", "scp",
    "seconds", "segment", "sequence", "service", "signal", "site", "source", "span_id", "state", "status",
    "study_instance_uid", "task", "tasks", "timestamp", "tls", "topic", "trace_id", "tries", "type", "version",
}  # fmt: skip
# Keys under which our code writes sentences of its own. Elsewhere white space marks what was meant for people.
_sentences: Final = frozenset({"at", "event", "fault", "migration", "reason", "thread"})


def safe_log_keys(*names: str) -> None:
    """Let further keys through as they are. Called once, in a service's `main`, which says why they hold no PHI."""
    _safe.update(names)


def redact(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields as they may be logged: plain values under safe keys stay, of anything else the type is left."""
    return {key: _shown(key, value) for key, value in fields.items()}


def _shown(key: str, value: object) -> object:
    if key in _sentences and isinstance(value, str):
        return value[:_LENGTH_MAX]
    return _plain(value) if key in _safe else _type(value)


def _plain(value: object) -> object:
    """Numbers, single words, and short flat lists of them."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, str):
        return _type(value) if _SPACE.search(value) else value[:_LENGTH_MAX]
    if isinstance(value, list | tuple | set | frozenset):
        items = [_plain(item) for item in list(value)[:_ITEMS_MAX]]
        return _type(value) if any(isinstance(item, list) for item in items) else items
    return _type(value)


def _type(value: object) -> str:
    return f"<{type(value).__name__}>"


def describe_exception(error: BaseException) -> list[dict[str, Any]]:
    """An exception and its causes as class and place. Texts are left out: libraries put values into them."""
    chain: list[dict[str, Any]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(chain) < _CHAIN_MAX:
        seen.add(id(current))
        chain.append(_one(current))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _one(error: BaseException) -> dict[str, Any]:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    told: dict[str, Any] = {"class": name, "at": list(_frames(error.__traceback__))}
    if getattr(kind, "phi_free", False) is True:
        told["text"] = str(error)
    for detail in ("errno", "sqlstate", "constraint_name"):
        value = getattr(error, detail, None)
        if isinstance(value, str | int):
            told[detail] = value
    if isinstance(error, BaseExceptionGroup):
        told["errors"] = [_one(inner) for inner in error.exceptions[:_CHAIN_MAX]]
    return told


def _frames(traceback: TracebackType | None) -> Iterable[str]:
    places: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{_short(code.co_filename)}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return places[-_FRAMES_MAX:]


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-2:])
