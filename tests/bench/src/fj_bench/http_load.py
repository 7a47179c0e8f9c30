"""An HTTP client that only counts bytes: on the same cores as the server, it must cost little."""

import socket
import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BufferedReader
from typing import Final, Self
from urllib.parse import urlsplit

_BUFFER: Final = 2**20


class Client:
    """One connection that reads answers without looking at them. It blocks; a thread has it for itself."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = address.hostname or "", address.port or 80
        self._sink = memoryview(bytearray(_BUFFER))
        self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, path: str, headers: Mapping[str, str]) -> int:
        """Bytes of the body. Raises RuntimeError where the status is not 200."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode())
        head = self._head()
        if not head[0].startswith("http/1.1 200"):
            raise RuntimeError(f"{path}: {head[0]}")
        for line in head:
            if line.startswith("content-length: "):
                return self._skip(int(line.partition(": ")[2]))
        return self._chunks() if "transfer-encoding: chunked" in head else self._to_the_end()

    def _connect(self) -> None:
        self._socket = socket.create_connection(self._address, timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = BufferedReader(self._socket.makefile("rb", 0), _BUFFER)

    def _close(self) -> None:
        self._reader.close()
        self._socket.close()

    def _head(self) -> list[str]:
        lines = []
        while line := self._reader.readline().strip():
            lines.append(line.decode("latin-1").lower())
        return lines

    def _skip(self, length: int) -> int:
        left = length
        while left:
            got = self._reader.readinto1(self._sink[: min(left, _BUFFER)])
            if not got:
                raise RuntimeError(f"the answer ends {left} bytes too early")
            left -= got
        return length

    def _chunks(self) -> int:
        length = 0
        while size := int(self._reader.readline(), 16):
            length += self._skip(size)
            self._reader.readline()
        self._reader.readline()
        return length

    def _to_the_end(self) -> int:
        """Of the connection: so ends an answer that does not say how long it is."""
        length = 0
        while got := self._reader.readinto1(self._sink):
            length += got
        self._close()
        self._connect()
        return length


@dataclass(frozen=True, slots=True)
class Answers:
    """What came in a while."""

    per_second: float
    megabytes_per_second: float
    p95: float
    """Seconds."""


def load(url: str, clients: int, path: Callable[[], str], headers: Mapping[str, str], seconds: float) -> Answers:
    """So many clients ask one thing after the other, each over one connection."""
    times: list[float] = []
    began = time.perf_counter()

    def ask(_: int) -> int:
        got = 0
        with Client(url) as client:
            while (sent := time.perf_counter()) < began + seconds:
                got += client.get(path(), headers)
                times.append(time.perf_counter() - sent)
        return got

    with ThreadPoolExecutor(clients) as pool:
        got = sum(pool.map(ask, range(clients)))
    took = time.perf_counter() - began
    p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return Answers(len(times) / took, got / took / 1e6, p95)
