"""The command line that every service has."""

import asyncio
import faulthandler
import os
import sys
import threading
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Final, NoReturn

import structlog
import uvloop

from fj_runtime.database import connected
from fj_runtime.errors import OperatorError, SchemaTooOld, SettingsError
from fj_runtime.logs import configure_logs
from fj_runtime.migrations import migrate
from fj_runtime.settings import S, ServiceSettings, describe_settings, load_settings
from fj_runtime.tracing import configure_tracing, end_tracing

Subcommand = tuple[str, Callable[[S, Namespace], Awaitable[int | None]], Callable[[ArgumentParser], object]]
"""Help, what it does (its result is the exit code, None for 0), and what adds its arguments."""

DONE: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
SCHEMA_TOO_OLD: Final = 3
_MIGRATE: Final = "migrate"
_THREADS_SECONDS: Final = 5
_log = structlog.get_logger("fj_runtime.cli")


def command(  # noqa: PLR0913, PLR0917 - one call per service, where all of it meets
    service: str,
    settings_class: type[S],
    run: Callable[[S, frozenset[str]], Awaitable[None]],
    roles: Sequence[str],
    migrations: Sequence[str],
    subcommands: Mapping[str, Subcommand[S]] | None = None,
) -> NoReturn:
    """Be the service's program: read arguments and settings, run, exit.

    `--role` takes `all`, `migrate`, or a comma list out of `roles`; `run` gets the roles asked for. Exit codes: 0 done
    or stopped on request, 1 failed, 2 wrong arguments or settings, 3 the database needs `--role migrate` first.
    """
    arguments = _parser(service, roles, subcommands or {}).parse_args()
    try:
        settings = load_settings(settings_class)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - for the person at the keyboard, before there are logs
        raise SystemExit(MISUSED) from None
    if arguments.print_settings:
        print(describe_settings(settings))  # noqa: T201 - this output is what was asked for
        raise SystemExit(DONE)
    configure_logs(service, settings.log_level, settings.log_format)
    configure_tracing(service, settings.otlp_endpoint)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(_outcome(_act(settings, arguments, run, migrations, subcommands or {})))
        _leave_within(_THREADS_SECONDS, code)
    end_tracing()
    raise SystemExit(code)


async def _act(
    settings: S,
    arguments: Namespace,
    run: Callable[[S, frozenset[str]], Awaitable[None]],
    migrations: Sequence[str],
    subcommands: Mapping[str, Subcommand[S]],
) -> int:
    if arguments.subcommand is not None:
        return await subcommands[arguments.subcommand][1](settings, arguments) or DONE
    if _MIGRATE in arguments.role:
        await _migrate(settings, migrations)
        return DONE
    await run(settings, arguments.role)
    return DONE


async def _migrate(settings: ServiceSettings, packages: Sequence[str]) -> None:
    async with connected(settings.postgres.get_secret_value()) as connection:
        applied = await migrate(connection, packages)
    _log.info("the schema is up to date", count=len(applied))


async def _outcome(acting: Coroutine[None, None, int]) -> int:
    """The exit code of what was done; errors are logged as class and place, never printed as a traceback."""
    try:
        return await acting
    except SettingsError as error:
        _log.critical("a setting does not fit", exc_info=error)
        return MISUSED
    except SchemaTooOld as error:
        _log.critical("refusing to start", exc_info=error)
        return SCHEMA_TOO_OLD
    except OperatorError as error:
        _log.critical("giving up", exc_info=error)
        # A part that opens the database itself finds out later, and about the same.
        return SCHEMA_TOO_OLD if isinstance(error.__cause__, SchemaTooOld) else FAILED
    except Exception as error:  # noqa: BLE001 - the last line of defence
        _log.critical("failed", exc_info=error)
        return FAILED


def _leave_within(seconds: float, code: int) -> None:
    """All is done but the end of worker threads: one that hangs must not keep the process, nor change its exit code."""

    def leave() -> None:
        _log.error("threads did not end", seconds=seconds)
        faulthandler.dump_traceback(sys.stderr)
        os._exit(code)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()


def _parser(service: str, roles: Sequence[str], subcommands: Mapping[str, Subcommand[S]]) -> ArgumentParser:
    parser = ArgumentParser(prog=f"{service.replace('_', '-')}-service", allow_abbrev=False)
    known = (*roles, _MIGRATE)
    parser.add_argument(
        "--role",
        type=_roles_of(roles),
        default=frozenset(roles),
        help=f"all (the default), or a comma list of {', '.join(roles)}; or {_MIGRATE} alone",
        metavar="|".join(("all", *known)),
    )
    parser.add_argument("--print-settings", action="store_true", help="print the settings in force and exit")
    group = parser.add_subparsers(dest="subcommand", title="commands", metavar="command")
    for name, (text, _, add_arguments) in subcommands.items():
        add_arguments(group.add_parser(name, help=text, description=text, allow_abbrev=False))
    return parser


def _roles_of(roles: Sequence[str]) -> Callable[[str], frozenset[str]]:
    def parse(text: str) -> frozenset[str]:
        asked = frozenset(part.strip() for part in text.split(","))
        if asked == {"all"}:
            return frozenset(roles)
        if asked == {_MIGRATE}:
            return asked
        unknown = sorted(asked - set(roles))
        if unknown:
            raise ArgumentTypeError(
                f"no such role: {', '.join(unknown)}; there are all, {', '.join(roles)}, {_MIGRATE}"
            )
        return asked

    return parse
