"""Ports of the stack: fixed doors, shifted by `FJ_PORT_OFFSET`, or a claimed block of free ones for tests.

Nothing listens above 32767: the system lends those ports to clients, and a client that retries a stopped server may be
lent the server's own port.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from fj_local.errors import BadOffset, NoFreePorts

LOOPBACK: Final = "127.0.0.1"
MAX_OFFSET: Final = 12_000
HIGHEST: Final = 32_767

Ports = Mapping[str, int]

SERVER_PORTS: Final[Ports] = {
    "kafka": 19092,
    "kafka-controller": 19093,
    "postgres": 15432,
    "s3": 18333,
    "s3-grpc": 18334,
    "weed-master": 9333,
    "weed-master-grpc": 19333,
    "weed-volume": 9080,
    "weed-volume-grpc": 19080,
    "weed-filer": 9888,
    "weed-filer-grpc": 19888,
}

FREE: Final = range(20_000, 32_000)
BLOCK: Final = 100


def shifted(ports: Ports, offset: int) -> Ports:
    """Every port moved up by `offset` (0 to 12000). Raises BadOffset."""
    if not 0 <= offset <= MAX_OFFSET:
        message = (
            f"FJ_PORT_OFFSET is {offset}; it must be from 0 to {MAX_OFFSET}, as no server may listen above {HIGHEST}"
        )
        raise BadOffset(message)
    return {name: port + offset for name, port in ports.items()}


def is_free(port: int) -> bool:
    """Whether a server can listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def answers(port: int, timeout: float = 0.5) -> bool:
    """Whether something accepts connections on this port of 127.0.0.1."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout):
            return True
    except OSError:
        return False


class Claim:
    """Free ports between 20000 and 32000 that no other claiming process takes while this one lives.

    A block of 100 ports is claimed by a file lock, which the system lifts when the process ends, however it ends.
    """

    def __init__(self) -> None:
        self._locks: list[int] = []
        self._left: list[int] = []

    def take(self) -> int:
        """The next free port. Raises NoFreePorts."""
        while True:
            if not self._left:
                self._left = list(self._claim_block())
            port = self._left.pop(0)
            if is_free(port):
                return port

    def take_all(self, names: Iterable[str]) -> Ports:
        """One free port for each name."""
        return {name: self.take() for name in names}

    def close(self) -> None:
        """Give the blocks back. Whatever listens there must have ended."""
        while self._locks:
            os.close(self._locks.pop())
        self._left = []

    def _claim_block(self) -> range:
        starts = list(range(FREE.start, FREE.stop, BLOCK))
        random.shuffle(starts)
        for start in starts:
            lock = _open_lock(start)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            self._locks.append(lock)
            return range(start, start + BLOCK)
        message = f"all blocks of {BLOCK} ports in {FREE.start}-{FREE.stop} are claimed by running processes"
        raise NoFreePorts(message)


def _open_lock(start: int) -> int:
    path = Path(tempfile.gettempdir()) / f"filmjacket-ports-{start}.lock"
    try:
        # Read-only and without O_CREAT: the kernel refuses to create over another user's file in a sticky folder.
        return os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o444)
