"""What the doors say of messages in files, by the example profile of the local stack."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from pathlib import Path

import httpx
import pytest
from fj_hl7 import MllpClient, Refused
from fj_local.commands import installed
from fj_local.stack import Stack
from fj_testing import eventually

CONFIG = Path(str(files("fj_local") / "config"))
ORDER = (
    "MSH|^~\\&|KIS-MH|MH|FJ|FJ|20260302091500||ORM^O01|C1|P|2.3",
    "PID|1||4711^^^^KASSE~815^^^^PATNR||Müller^Änne||19700401|W",
    "ORC|NEU|AUF-1",
    "OBR|1|||THX^Thorax",
    "ZAU|1|NOTFALL||AN-77|20260302140000||1.2.840.77&x||5520^Thorax nativ",
)
ADMISSION = ("MSH|^~\\&|KIS-MH|MH|||20260302||ADT^A01|C2|P|2.3", "EVN|A01|20260302", ORDER[1])
Explain = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def explain(tmp_path: Path) -> Explain:
    def run(*messages: tuple[str, ...], profile: Path = CONFIG / "profiles") -> subprocess.CompletedProcess[str]:
        paths = [tmp_path / f"{number}.hl7" for number in range(len(messages))]
        for path, lines in zip(paths, messages, strict=True):
            path.write_bytes("\r".join(lines).encode("latin-1"))
        command = [installed("filmjacket", "filmjacket"), "hl7", "explain", "--profile", str(profile)]
        command += ["--sites", str(CONFIG / "sites.yaml"), *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)

    return run


def lines_of(text: str) -> dict[str, list[str]]:
    """By name: place, what stands there, what was understood, the rule."""
    found = {}
    for line in filter(None, text.splitlines()):
        name, *columns = [column for column in line.strip().split("  ") if column.strip()]
        found[name] = [column.strip() for column in columns]
    return found


def test_every_field_is_told_with_its_place_its_value_and_its_rule(explain: Explain) -> None:
    done = explain(ORDER, ADMISSION)
    assert (done.returncode, done.stderr) == (0, "")
    order, admission = map(lines_of, done.stdout.split("\n\n")[:2])
    assert order["order_control"] == ["ORC-1", "NEU", "NW", "standard 1 of 1, codes.order_control"]
    assert order["accession_number"] == ["ZAU-4", "AN-77", "AN-77 of MH-RIS", "profile 1 of 2"]
    assert order["priority"] == ["ZAU-2", "NOTFALL", "STAT", "profile 1 of 1, codes.priority"]
    assert order["procedure"][2] == "CTCHEST CT chest L"
    assert order["asked_for"][2] == "2026-03-02 14:00:00+01:00"
    assert order["modality"] == ["nothing in OBX[3=GERAET]-5.1, OBR-24"]
    assert order["patient_id"] == ["PID-3[5=PATNR]", "815^^^^PATNR", "815 of MH-PAT", "profile 1 of 1"]
    assert order["family_name"][2] == "Müller"
    assert "answer AA" in order
    assert admission["sex"] == ["PID-8", "W", "F", "standard 1 of 1, codes.sex"]


def test_what_is_missing_is_told_with_the_doors_answer_and_the_exit_code(explain: Explain) -> None:
    done = explain(tuple(line.replace("|AUF-1", "|") for line in ORDER))
    assert done.returncode == 1
    told = lines_of(done.stdout)
    assert told["placer_order_number"] == ["nothing in ORC-2, OBR-2"]
    assert told["answer AE"] == ["ORC-2 (101) ORC-2 is missing"]


def test_what_no_door_can_read_is_told(explain: Explain) -> None:
    done = explain(("nonsense",))
    assert done.returncode == 1
    assert "answer AR  message (100) no MSH" in done.stdout


def test_a_profile_that_cannot_be_used_is_told_with_file_and_line(explain: Explain, tmp_path: Path) -> None:
    profile = tmp_path / "site.yaml"
    profile.write_text("profiles:\n  A:\n    senders: [{}]\n    places: {priority: [ZAU]}\n")
    done = explain(ORDER, profile=profile)
    assert done.returncode == 1
    assert f"{profile}:4: profiles.A.places.priority.0: 'ZAU' is no place" in done.stdout


@pytest.mark.servers
@pytest.mark.timeout(400)
async def test_refused_messages_are_listed_and_tried_again(whole_stack: Stack) -> None:
    order = "\r".join(line.replace("|KIS-MH|", "|NOBODY|") for line in ORDER).encode("latin-1")
    async with MllpClient("127.0.0.1", whole_stack.ports["ORDER_MLLP_PORT"]) as placer:
        with pytest.raises(Refused):
            await placer.send(order)
    command = [installed("filmjacket", "filmjacket"), "hl7", "replay", "order", "--application", "NOBODY"]
    environment = {**os.environ, "FJ_HOME": str(whole_stack.home.path), "COLUMNS": "200"}
    run = partial(subprocess.run, command, env=environment, capture_output=True, text=True, check=False, timeout=100)
    done = await asyncio.to_thread(run)
    assert (done.returncode, done.stderr) == (1, "")
    assert "AE -> AE  order control NEU is not one of NW" in done.stdout
    assert "1 tried again, 0 taken" in done.stdout
    page = f"http://127.0.0.1:{whole_stack.ports['gateway']}/exceptions"

    async def is_listed() -> bool:
        async with httpx.AsyncClient(timeout=20) as http:
            return "ORM^O01 C1 of NOBODY/MH at order: AE 103 at ORC-1" in (await http.get(page)).text

    await eventually(is_listed, within=30)
