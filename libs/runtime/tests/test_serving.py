"""Beginning and end of a process."""

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from .conftest import Start


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_the_parts_and_ends_with_0(start: "Start", number: int) -> None:
    demo = await start(DEMO_PARTS="first,second")
    assert demo.stop(number) == 0
    assert [line["part"] for line in demo.said("drained")] == ["first", "second"]
    assert demo.said("stopped")


async def test_a_failing_part_stops_the_others_in_order_and_ends_with_1(start: "Start") -> None:
    demo = await start(ready=False, DEMO_PARTS="first,failing")
    assert demo.popen.wait(40) == 1
    failure = demo.said("part failed")[0]
    assert failure["part"] == "failing"
    assert [error["class"] for error in failure["raised"]] == ["fj_runtime.errors.PartFailed", "ValueError"]
    assert failure["raised"][0]["text"] == "part failing failed: ValueError"
    assert demo.said("drained")
    assert "DOE" not in demo.text


async def test_a_part_that_ends_by_itself_is_a_failure(start: "Start") -> None:
    demo = await start(ready=False, DEMO_PARTS="returning,first")
    assert demo.popen.wait(40) == 1
    assert "ended before it was told to" in demo.text


async def test_a_deaf_part_is_cancelled_after_the_grace(start: "Start") -> None:
    demo = await start(DEMO_PARTS="deaf", DEMO_GRACE="0.5")
    assert demo.stop() == 0
    assert demo.said("part did not stop in time")[0]["part"] == "deaf"


async def test_a_blocked_thread_does_not_keep_a_stopped_process_alive(start: "Start") -> None:
    demo = await start(DEMO_PARTS="blocked", DEMO_GRACE="0.5")
    assert demo.stop() == 0
    assert demo.said("threads did not end")
    assert ", line " in demo.text


async def test_a_stream_that_watches_the_stop_does_not_hold_it_up(start: "Start") -> None:
    demo = await start(DEMO_PARTS="first")
    seen = threading.Event()

    def listen() -> None:
        with httpx.stream("GET", f"{demo.address}/api/demo/stream", timeout=40) as answer:
            for _ in answer.iter_lines():
                seen.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert seen.wait(20)
    assert demo.stop() == 0
    listener.join(10)
    assert not any("timeout graceful shutdown exceeded" in line["event"] for line in demo.lines)


async def test_a_taken_port_is_named(start: "Start") -> None:
    first = await start(DEMO_PARTS="first")
    port = first.address.rpartition(":")[2]
    second = await start(ready=False, DEMO_HTTP_PORT=port)
    assert second.popen.wait(40) == 1
    told = second.said("giving up")[0]["raised"][0]["text"]
    assert told == f"cannot listen on 127.0.0.1:{port}: Address already in use"


async def test_an_idle_process_is_small(start: "Start") -> None:
    demo = await start(DEMO_PARTS="first")
    with open(f"/proc/{demo.popen.pid}/smaps_rollup") as file:  # noqa: ASYNC230, PTH123 - a file of the kernel, at once
        pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
    assert pss < 90_000, f"{pss} KB"
    assert os.path.exists(f"/proc/{demo.popen.pid}")  # noqa: ASYNC240, PTH110 - as above


async def test_the_search_for_garbage_passes_over_what_lives_as_long_as_the_process(start: "Start") -> None:
    demo = await start(DEMO_PARTS="first")
    answer = await asyncio.to_thread(httpx.get, f"{demo.address}/api/demo/garbage")
    assert answer.json() < 10_000
