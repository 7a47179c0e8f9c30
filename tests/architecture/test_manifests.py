"""What a platform team expects of every pod."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fj_runtime.serving import GRACE_SECONDS

BASE = Path(__file__).resolve().parents[2] / "k8s" / "base"
SPARE = 5
"""Seconds in which a part that did not stop in time is cancelled."""


def manifests(*kinds: str) -> Iterator[dict[str, Any]]:
    for file in sorted(BASE.glob("*.yaml")):
        for manifest in yaml.safe_load_all(file.read_text("utf-8")):
            if manifest["kind"] in kinds:
                yield manifest


def name_of(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def behind(service: dict[str, Any]) -> dict[str, Any]:
    """The pods that a Service sends to."""
    name = service["metadata"]["name"]
    workload = next(each for each in SERVED if each["metadata"]["name"] == name)
    pod: dict[str, Any] = workload["spec"]["template"]["spec"]
    return pod


SERVED = list(manifests("Deployment", "StatefulSet"))
WORKLOADS = [*SERVED, *manifests("Job")]
SERVICES = list(manifests("Service"))


@pytest.mark.parametrize("workload", WORKLOADS, ids=name_of)
def test_no_pod_can_do_more_than_its_work(workload: dict[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        rights = container["securityContext"]
        assert (rights["allowPrivilegeEscalation"], rights["readOnlyRootFilesystem"]) == (False, True)
        assert rights["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("service", SERVICES, ids=name_of)
def test_a_pod_leaves_its_service_before_it_stops_and_has_time_to_stop(service: dict[str, Any]) -> None:
    pod = behind(service)
    (container,) = pod["containers"]
    sleep, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert (sleep, int(seconds) >= 5) == ("sleep", True)
    assert pod["terminationGracePeriodSeconds"] >= int(seconds) + GRACE_SECONDS + SPARE


@pytest.mark.parametrize("service", SERVICES, ids=name_of)
def test_doors_stay_open_while_kafka_is_away(service: dict[str, Any]) -> None:
    (container,) = behind(service)["containers"]
    assert container["livenessProbe"]
    assert container["readinessProbe"].get("httpGet", {}).get("path") != "/health/ready"


@pytest.mark.parametrize("served", SERVED, ids=name_of)
def test_a_node_can_be_drained_without_an_outage(served: dict[str, Any]) -> None:
    labels = served["spec"]["selector"]["matchLabels"]
    budgets = [budget["spec"]["selector"]["matchLabels"] for budget in manifests("PodDisruptionBudget")]
    assert served["spec"]["replicas"] >= 2
    assert labels in budgets
    (spread,) = served["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == labels
