"""The HTTP manners of a service, asked over a socket."""

from typing import TYPE_CHECKING, Any

import pytest
from fj_testing import eventually

if TYPE_CHECKING:
    import httpx

    from .conftest import Process, Start

ME = {"X-FJ-User": "dr.house"}


@pytest.fixture(scope="module")
async def demo(start: "Start") -> "Process":
    return await start(DEMO_PARTS="quiet")


def problem_of(answer: "httpx.Response", status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert "DOE" not in answer.text
    assert "Traceback" not in answer.text
    return problem


def test_a_good_request_is_answered(demo: "Process") -> None:
    order = {"patient": {"family_name": "DOE", "number": 4}}
    answer = demo.post("/api/demo/orders/17", json=order, headers=ME)
    assert answer.status_code == 201
    assert answer.json() == {"order_id": 17, "number": 4, "actor": "dr.house"}


def test_an_unknown_path_and_a_wrong_method_are_problems(demo: "Process") -> None:
    problem_of(demo.get("/nowhere"), 404)
    wrong = demo.request("DELETE", "/api/demo/orders/17")
    problem_of(wrong, 405)
    assert wrong.headers["allow"] == "POST"
    problem_of(demo.post("/health/live"), 404)


def test_a_refusal_of_a_handler_keeps_its_members(demo: "Process") -> None:
    problem = problem_of(demo.get("/api/demo/missing"), 404)
    assert problem["detail"] == "There is no such order"
    assert problem["order_id"] == "17"


def test_what_is_not_json_is_400_and_says_where(demo: "Process") -> None:
    headers = ME | {"Content-Type": "application/json"}
    problem = problem_of(demo.post("/api/demo/orders/17", content='{"patient": DOE', headers=headers), 400)
    assert "at character 12" in problem["detail"]
    problem_of(demo.post("/api/demo/orders/17", content=b'{"patient": "\xff\xfe"}', headers=headers), 400)
    problem_of(demo.post("/api/demo/orders/17", content=b"[" * 200_000, headers=headers), 400)


def test_a_body_of_another_type_is_refused(demo: "Process") -> None:
    answer = demo.post("/api/demo/orders/17", content="DOE", headers=ME | {"Content-Type": "text/plain"})
    problem_of(answer, 422)


def test_what_does_not_fit_is_named_by_pointer_and_never_repeated(demo: "Process") -> None:
    order = {"patient": {"family_name": "DOE", "number": "DOE^JOHN"}}
    problem = problem_of(demo.post("/api/demo/orders/x-DOE", json=order, headers=ME), 422)
    by_pointer = {error.get("pointer") or error.get("parameter"): error["detail"] for error in problem["errors"]}
    assert set(by_pointer) == {"order_id", "#/patient/number"}
    assert "integer" in by_pointer["#/patient/number"]


def test_the_text_of_our_own_validators_is_not_shown(demo: "Process") -> None:
    order = {"patient": {"family_name": "DOE", "number": -4711}}
    answer = demo.post("/api/demo/orders/17", json=order, headers=ME)
    problem_of(answer, 422)
    assert "4711" not in answer.text


def test_a_bad_query_parameter_is_named(demo: "Process") -> None:
    problem = problem_of(demo.get("/api/demo/orders?limit=DOE"), 422)
    assert [error["parameter"] for error in problem["errors"]] == ["limit"]


async def test_an_error_inside_says_nothing_outside_and_no_patient_in_the_log(demo: "Process") -> None:
    problem = problem_of(demo.get("/api/demo/broken"), 500)
    assert "detail" not in problem
    raised = [
        entry for line in await eventually(lambda: demo.raising("ValueError"), within=40) for entry in line["raised"]
    ]
    assert any("demo.py" in place and "broken" in place for place in raised[0]["at"])
    told = demo.said("about to break")[0]
    assert told["order_id"] == "17"
    assert told["patient_name"] == "<str>"
    assert "DOE" not in demo.text


@pytest.mark.parametrize("what", ["refused", "slow", "restarting", "lost"])
def test_a_server_that_is_away_makes_503_to_repeat(demo: "Process", what: str) -> None:
    answer = demo.get(f"/api/demo/away/{what}")
    problem_of(answer, 503)
    assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize("path", ["/api/demo/small", "/api/demo/unread"])
def test_a_body_beyond_one_mebibyte_is_413(demo: "Process", path: str) -> None:
    big = b"x" * (1024 * 1024 + 1)
    problem_of(demo.post(path, content=big), 413)


def test_a_body_without_a_length_is_limited_too(demo: "Process") -> None:
    problem_of(demo.post("/api/demo/small", content=iter([b"x" * 700_000] * 2)), 413)


def test_a_route_may_take_more(demo: "Process") -> None:
    assert demo.post("/api/demo/small", content=b"x" * (1024 * 1024)).json() == 1024 * 1024
    assert demo.post("/api/demo/large", content=b"x" * (3 * 1024 * 1024)).json() == 3 * 1024 * 1024
    problem_of(demo.post("/api/demo/large", content=b"x" * (5 * 1024 * 1024)), 413)


def test_the_contract_is_published_and_tells_of_problems_and_users(demo: "Process") -> None:
    contract = demo.get("/api/demo/openapi.json").json()
    responses = contract["paths"]["/api/demo/orders/{order_id}"]["post"]["responses"]
    assert set(responses) == {"201", "default"}
    assert "application/problem+json" in responses["default"]["content"]
    assert "HTTPValidationError" not in str(contract)
    schemes = contract["components"]["securitySchemes"].values()
    assert {scheme["type"] for scheme in schemes} == {"http", "apiKey"}


def test_a_foremost_route_answers_with_the_manners_of_all_others(demo: "Process") -> None:
    answer = demo.get("/api/demo/slices/990018")
    assert (answer.status_code, answer.text, answer.headers["x-parts"]) == (200, "990018", "1")
    head = demo.request("HEAD", "/api/demo/slices/990018")
    assert (head.status_code, head.text) == (200, "")
    missing = demo.get("/api/demo/slices/missing")
    assert problem_of(missing, 404)["series"] == "17"
    assert missing.headers["retry-after"] == "2"
    assert problem_of(demo.get("/api/demo/slices/away"), 503)["detail"]
    wrong = demo.post("/api/demo/slices/990018")
    problem_of(wrong, 405)
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD"}
    problem_of(demo.get("/api/demo/slices/990018/more"), 404)
    metrics = demo.get("/metrics").text
    assert 'fj_http_requests_total{method="GET",route="/api/demo/slices/{number}",status="200"}' in metrics
    assert "990018" not in metrics


async def test_an_error_in_a_foremost_route_is_logged_without_the_patient(demo: "Process") -> None:
    assert "detail" not in problem_of(demo.get("/api/demo/slices/broken"), 500)

    def places() -> list[str]:
        return [place for line in demo.raising("ValueError") for entry in line["raised"] for place in entry["at"]]

    await eventually(lambda: any("demo.py" in place and "slice_" in place for place in places()), within=40)
    assert "DOE" not in demo.text


def test_requests_are_counted_by_route_not_by_path(demo: "Process") -> None:
    demo.post("/api/demo/orders/990017", json={})
    demo.get("/api/demo/no-DOE-here")
    metrics = demo.get("/metrics").text
    assert 'fj_http_requests_total{method="POST",route="/api/demo/orders/{order_id}",status="201"}' in metrics
    assert 'route="unmatched",status="404"' in metrics
    assert "fj_http_request_seconds_bucket" in metrics
    assert "990017" not in metrics
    assert "DOE" not in metrics
