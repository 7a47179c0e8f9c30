"""Ports: below the ones that the system lends, moved together, and claimed by one test process at a time."""

import multiprocessing

import pytest
from fj_local.errors import BadOffset
from fj_local.home import Home
from fj_local.ports import HIGHEST, MAX_OFFSET, Claim, shifted
from fj_local.services import ALL_PORTS, PROCESSES
from fj_local.stack import Stack


def test_no_port_lies_above_32767_whatever_the_offset() -> None:
    assert max(shifted(ALL_PORTS, MAX_OFFSET).values()) <= HIGHEST


def test_no_two_listeners_share_a_port() -> None:
    assert len(set(ALL_PORTS.values())) == len(ALL_PORTS)


def test_every_process_has_its_ports() -> None:
    for process in PROCESSES:
        assert {process.http, *process.doors, *process.shared_doors} <= set(ALL_PORTS)


@pytest.mark.parametrize("offset", ["12001", "-1", "many", "1e3"])
def test_a_bad_offset_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, offset: str) -> None:
    monkeypatch.setenv("FJ_PORT_OFFSET", offset)
    with pytest.raises(BadOffset, match="FJ_PORT_OFFSET"):
        Stack.from_environment()


def test_the_offset_moves_every_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FJ_PORT_OFFSET", "3000")
    ports = Stack.from_environment().ports
    assert (ports["gateway"], ports["ORDER_MLLP_PORT"], ports["kafka"]) == (11080, 5575, 22092)


def test_the_home_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FJ_HOME", "/nowhere/else")
    assert str(Home.from_environment().path) == "/nowhere/else"


def test_two_processes_claim_different_ports() -> None:
    claim = Claim()
    mine = {claim.take() for _ in range(150)}
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        theirs = set(pool.apply(_take, (150,)))
    assert not mine & theirs
    assert all(20_000 <= port < 32_000 for port in mine | theirs)
    claim.close()


def _take(count: int) -> list[int]:
    claim = Claim()
    return [claim.take() for _ in range(count)]
