"""What an orchestrator asks."""

from typing import TYPE_CHECKING

from fj_testing import eventually

if TYPE_CHECKING:
    from .conftest import Start


async def test_ready_says_which_part_is_not_well(start: "Start") -> None:
    demo = await start(DEMO_PARTS="first,second")
    well = demo.get("/health/ready")
    assert well.status_code == 200
    assert well.json()["parts"] == [
        {"name": "first", "ok": True, "detail": ""},
        {"name": "second", "ok": True, "detail": ""},
    ]
    demo.post("/api/demo/sick")
    ill = demo.get("/health/ready")
    assert ill.status_code == 503
    assert ill.json()["parts"][0] == {"name": "first", "ok": False, "detail": "as ordered"}
    assert demo.get("/health/live").status_code == 200


async def test_a_part_that_cannot_say_how_it_is_is_not_well(start: "Start") -> None:
    demo = await start(DEMO_PARTS="mute")
    ill = demo.get("/health/ready")
    assert ill.status_code == 503
    assert ill.json()["parts"] == [{"name": "mute", "ok": False, "detail": "RuntimeError"}]


async def test_a_sweep_that_fails_again_and_again_is_counted_logged_and_unhealthy(start: "Start") -> None:
    demo = await start(DEMO_PARTS="sweep")
    await eventually(lambda: demo.get("/health/ready").status_code == 503, within=40)
    assert 'fj_periodic_errors_total{part="sweep"}' in demo.get("/metrics").text
    assert demo.said("periodic run failed")[0]["raised"][0]["class"] == "LookupError"
    assert "DOE" not in demo.text
    assert demo.popen.poll() is None
