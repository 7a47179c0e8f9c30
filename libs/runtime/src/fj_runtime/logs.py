"""Structured logs on stderr, with nothing in them that could identify a patient."""

import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import structlog
from opentelemetry import trace
from structlog.processors import JSONRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from fj_runtime.redaction import describe_exception, redact

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Loggers of code that never sees the content of a message: their texts are rendered as they are.
_TRUSTED: Final = ("aiokafka", "uvicorn.error")
_WITHHELD: Final = "text withheld"
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message"}
_log = structlog.get_logger("fj_runtime")


def configure_logs(service: str, level: str = "INFO", form: str = "json") -> None:
    """Send structlog and the standard library's logging through one formatter to stderr. Once, at the start.

    `form` is `json` (one object per line) or `console` (for people; the same redaction applies).
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        TimeStamper(fmt="iso", utc=True),
        _Identity(service),
    ]
    structlog.configure(
        processors=[*shared, ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[_foreign, *shared],
            processors=[structlog.stdlib.add_logger_name, _allow, _renderer(form)],
            use_get_message=False,
            pass_foreign_args=True,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _close_side_doors()
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _renderer(form: str) -> Processor:
    if form == "json":
        return JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())


class _Bridged(logging.Logger):
    """A logger whose records leave by the root's handler, whatever its library hangs onto it (FastStream does)."""

    def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        logging.getLogger().callHandlers(record)


def _close_side_doors() -> None:
    """Let no library's own handler, present or to come, print what the allow-list has not seen."""
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.handlers.clear()
            logger.propagate = True
    logging.setLoggerClass(_Bridged)


class _Identity:
    """Says who speaks, and within which trace."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = self._service
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            event["trace_id"] = trace.format_trace_id(span.trace_id)
            event["span_id"] = trace.format_span_id(span.span_id)
        return event


def _foreign(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Take a record of the standard library apart: text by trust, `extra` fields to the allow-list like any other."""
    record: logging.LogRecord = event["_record"]
    arguments = event.pop("positional_args", ())
    event["event"] = _text(record, event["event"], arguments)
    event["at"] = f"{record.filename}:{record.lineno} {record.funcName}"
    extra = {key: value for key, value in vars(record).items() if key not in _STANDARD and not key.startswith("_")}
    return {**extra, **event}


def _text(record: logging.LogRecord, template: str, arguments: Sequence[object] | Mapping[str, object] | None) -> str:
    if record.name.startswith(_TRUSTED) and record.levelno >= logging.INFO:  # below, aiokafka prints what it sends
        return _rendered(template, arguments)
    if arguments:
        return _rendered(template, _typed(arguments))
    return template if _is_ours(record.name) else _WITHHELD


def _is_ours(logger: str) -> bool:
    """Whether the text is a constant in this tree (the linter sees to it), and not one that values were put into."""
    package = logger.partition(".")[0]
    return package.startswith("fj_") or package.endswith("_service") or package == "filmjacket"


def _typed(arguments: Sequence[object] | Mapping[str, object]) -> Sequence[object] | Mapping[str, object]:
    if isinstance(arguments, Mapping):
        return {key: _number_or_type(value) for key, value in arguments.items()}
    return tuple(_number_or_type(value) for value in arguments)


def _number_or_type(value: object) -> object:
    return value if isinstance(value, bool | int | float) or value is None else f"<{type(value).__name__}>"


def _rendered(template: str, arguments: Sequence[object] | Mapping[str, object] | None) -> str:
    try:
        return template % arguments if arguments else template
    except (TypeError, ValueError, KeyError):
        return template  # a conversion that wants another type than what is left after redaction


def _allow(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The last word: what is not known to be safe does not pass, exceptions pass as class and place."""
    event.pop("_record", None)
    event.pop("_from_structlog", None)
    event.pop("stack_info", None)
    error = _exception(event.pop("exc_info", None))
    if not isinstance(event.get("event"), str):
        event["event"] = f"<{type(event.get('event')).__name__}>"
    safe: EventDict = redact(event)
    if error is not None:
        safe["raised"] = describe_exception(error)
    return safe


def _exception(given: object) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return given[1] if len(given) == 3 and isinstance(given[1], BaseException) else None
    return sys.exc_info()[1] if given else None


def _uncaught(kind: type[BaseException], error: BaseException, place: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("uncaught exception", exc_info=error.with_traceback(place))


def _uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    name = arguments.thread.name if arguments.thread else ""
    _log.error("uncaught exception in a thread", thread=name, exc_info=arguments.exc_value)


def _unraisable(arguments: "UnraisableHookArgs") -> None:
    details: dict[str, Any] = {"exc_info": arguments.exc_value} if arguments.exc_value else {}
    _log.error("exception that nobody could catch", **details)
