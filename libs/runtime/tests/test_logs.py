"""No log line may identify a patient, whoever wrote it and however."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

LOUD = Path(__file__).with_name("loud.py")
Lines = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def run() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(LOUD), "DEBUG"], capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture(scope="module")
def lines(run: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.stderr.splitlines()]


@pytest.fixture(scope="module")
def by_event(lines: list[dict[str, Any]]) -> Lines:
    return {line["event"]: line for line in lines}


@pytest.fixture(scope="module")
def by_logger(lines: list[dict[str, Any]]) -> Lines:
    return {line["logger"]: line for line in lines}


def test_the_patient_is_nowhere_and_no_line_is_lost(
    run: subprocess.CompletedProcess[str], lines: list[dict[str, Any]]
) -> None:
    assert run.returncode == 1
    assert run.stdout == ""
    assert "DOE" not in run.stderr
    assert "4711" not in run.stderr
    assert len(lines) == 25
    assert {"event", "level", "timestamp", "service", "logger"} <= set.intersection(*map(set, lines))


def test_safe_keys_pass_and_others_become_their_type(by_event: Lines) -> None:
    own = by_event["own"]
    assert (own["order_id"], own["station_ae_title"], own["state"]) == ("17", "CT1", "red")
    assert (own["patient_name"], own["mrn"]) == ("<str>", "<int>")


def test_only_plain_values_pass_and_at_a_sane_length(by_event: Lines) -> None:
    odd = by_event["odd values"]
    assert (odd["order_id"], odd["topic"], odd["roles"]) == ("<dict>", ["<object>", 3], ["a", "b"])
    assert len(odd["reason"]) == 200


def test_sentences_pass_only_where_our_code_writes_them(by_event: Lines) -> None:
    line = by_event["a sentence where none belongs"]
    assert (line["error"], line["reason"]) == ("<str>", "constant words of ours")


def test_bound_context_and_the_trace_are_on_the_line(by_event: Lines) -> None:
    bound = by_event["bound"]
    assert (bound["event_id"], bound["who"]) == ("e1", "<str>")
    assert len(bound["trace_id"]) == 32
    assert len(bound["span_id"]) == 16


def test_a_chain_of_exceptions_is_class_and_place(by_event: Lines) -> None:
    first, cause = by_event["chain"]["raised"]
    assert (first["class"], cause["class"]) == ("ValueError", "KeyError")
    assert [place.split()[-1] for place in first["at"]] == ["of_our_own"]
    assert [place.split()[-1] for place in cause["at"]] == ["of_our_own", "fail"]
    assert first["at"][0].startswith("tests/loud.py:")


def test_only_errors_that_say_so_are_quoted(by_event: Lines) -> None:
    (group,) = by_event["group"]["raised"]
    told, other = group["errors"]
    assert (told["class"], told["text"]) == ("__main__.Careful", "told")
    assert (other["class"], other["errno"]) == ("FileNotFoundError", 2)
    assert "text" not in group
    assert "text" not in other


def test_libraries_keep_their_templates_and_lose_their_values(by_logger: Lines) -> None:
    assert by_logger["pynetdicom.assoc"]["event"] == "text withheld"
    assert by_logger["pynetdicom.assoc"]["at"].endswith(" of_libraries")
    assert by_logger["httpx"]["event"] == "HTTP Request: <str> <str>"
    assert by_logger["numbers"]["event"] == "3 of 4 for <str>"
    assert by_logger["wrong"]["event"] == "%d pages"
    assert by_logger["mapped"]["event"] == "5 for <str>"
    assert by_logger["aiokafka.cluster"]["event"] == "Topic order-events is not available"
    assert by_logger["aiokafka.producer"]["event"] == "Sending (key=<bytes> value=<str>) to <str>"
    assert by_logger["fj_bus.relay"]["event"] == "caught up"


def test_extra_fields_obey_the_same_list(by_logger: Lines) -> None:
    assert (by_logger["extra"]["topic"], by_logger["extra"]["patient"]) == ("orders", "<str>")


def test_handlers_that_libraries_hang_up_are_not_used(by_logger: Lines) -> None:
    assert by_logger["eager.library"]["event"] == "text withheld"
    assert by_logger["late.library"]["event"] == "text withheld"


def test_what_nobody_caught_is_a_line_too(by_event: Lines, by_logger: Lines) -> None:
    assert by_event["uncaught exception"]["raised"][0]["class"] == "LookupError"
    assert by_event["uncaught exception in a thread"]["thread"] == "scp"
    assert by_event["exception that nobody could catch"]["raised"][0]["class"] == "ValueError"
    assert by_logger["asyncio"]["raised"][0]["class"] == "ValueError"
    assert by_logger["py.warnings"]["event"] == "text withheld"
