"""Who is sent which studies."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fj_dicom import Peers
from storage_service.adapters.routes import BadRoutes, load_routes
from storage_service.domain.routing import Routable, Send, SendKind, SendResult, SendState, verdict

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def load(folder: Path, rules: str) -> Any:
    peers, routes = folder / "peers.yaml", folder / "routes.yaml"
    peers.write_text(
        "WS1: {host: a, port: 104}\nWS2: {host: b, port: 104}\n"
        "IAN1: {host: c, port: 104, availability_notification: true}\n"
    )
    routes.write_text(rules)
    return load_routes(routes, Peers.load(peers))


def a_study(**changed: Any) -> Routable:
    fields: dict[str, Any] = {
        "study_instance_uid": "1.2",
        "site": "NORTH",
        "modalities": ("CT", "SR"),
        "description": "CT Chest",
        "calling_ae_title": "CT1",
    }
    return Routable(**fields | changed)


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ("{}", True),
        ("{site: NORTH}", True),
        ("{site: [SOUTH, NORTH], modality: CT}", True),
        ("{site: SOUTH, modality: CT}", False),
        ("{modality: [MR, SR]}", True),
        ("{modality: MR}", False),
        ("{calling_ae_title: CT1}", True),
        ("{calling_ae_title: CT2}", False),
        ("{description: '*chest*'}", True),
        ("{description: chest}", False),
    ],
)
def test_a_rule_fits_where_all_its_conditions_hold(tmp_path: Path, when: str, fits: bool) -> None:
    routes = load(tmp_path, f"- {{name: one, when: {when}, to: WS1}}")
    sent = [(to, why) for to, kind, why in routes.of(a_study()) if kind is SendKind.INSTANCES]
    assert sent == ([("WS1", "rule one")] if fits else [])


def test_a_destination_gets_a_study_once_and_never_its_own(tmp_path: Path) -> None:
    routes = load(tmp_path, "- {to: [WS1, WS2]}\n- {to: WS1}\n")
    assert routes.of(a_study(calling_ae_title="WS2")) == [
        ("WS1", SendKind.INSTANCES, "rule 1"),
        ("IAN1", SendKind.AVAILABILITY, "wants notification"),
    ]


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("to: WS1", "a list of rules expected, a dict found"),
        ("- {when: {}}", "rule 1: name, when and to expected"),
        ("- {name: one, to: WS9}", "rule one: WS9 is not in FJ_PEERS"),
        ("- {name: one, to: WS1, when: {colour: red}}", "rule one: when may have .*, not colour"),
        ("- {name: one, to: WS1, when: {site: 7}}", "rule one: site: a text or a list of texts expected"),
        ("- {name: one, to: []}", "rule one: to: a text or a list of texts expected"),
    ],
)
def test_a_rule_that_does_not_fit_is_named(tmp_path: Path, rules: str, words: str) -> None:
    with pytest.raises(BadRoutes, match=words):
        load(tmp_path, rules)


def test_a_send_is_tried_later_and_later_and_given_up_in_the_end() -> None:
    def after(attempts: int, result: SendResult, begun: timedelta = timedelta(hours=1)) -> tuple[str, Any]:
        send = Send(1, "1.2", "WS1", SendKind.INSTANCES, NOW - begun, attempts, frozenset())
        found = verdict(send, result, NOW, timedelta(days=3))
        return found.state, found.due_at and (found.due_at - NOW).total_seconds()

    assert after(1, SendResult(["1.2.3"])) == (SendState.SENT, None)
    away = SendResult(trouble="away")
    assert [after(attempts, away) for attempts in (1, 2, 3, 40)] == [
        (SendState.WAITING, 2.0),
        (SendState.WAITING, 4.0),
        (SendState.WAITING, 8.0),
        (SendState.WAITING, 3600.0),
    ]
    assert after(9, SendResult(["1.2.3"], "lost in the middle")) == (SendState.WAITING, 1.0)
    assert after(9, away, timedelta(days=4)) == (SendState.FAILED, None)
