"""The house is what its rules say: same anatomy, same lists everywhere, a README with the same headings."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from fj_events import REGISTRY, SERVICES, TOPICS
from patient_service.domain.following import LINK_ROOMS

ROOT = Path(__file__).resolve().parents[2]
HEADINGS = ("Owns", "Consumes", "Publishes", "Stores", "Listens on", "Settings", "When it breaks")
ANATOMY = ("main", "settings", "handlers", "ports", "domain", "entrypoints", "adapters", "migrations")


def package(service: str) -> Path:
    return ROOT / "services" / service / "src" / f"{service}_service"


def kebab(service: str) -> str:
    return service.replace("_", "-")


def names_in(path: Path) -> set[str]:
    """Every name that is used or imported in the Python files below."""
    found: set[str] = set()
    for file in path.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.ImportFrom):
                found.update(alias.name for alias in node.names)
    return found


def test_the_services_are_those_of_the_vocabulary() -> None:
    folders = {path.parent.name for path in (ROOT / "services").glob("*/pyproject.toml")}
    assert folders == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_the_same_anatomy(service: str) -> None:
    parts = {path.name for path in package(service).iterdir()}
    # A module that has outgrown its file is a package of the same name.
    missing = [part for part in ANATOMY if part not in parts and f"{part}.py" not in parts]
    assert missing == []
    assert list((package(service) / "migrations").glob("0001_*.sql"))


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_readme_with_the_same_headings(service: str) -> None:
    text = (ROOT / "services" / service / "README.md").read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE)[: len(HEADINGS)] == list(HEADINGS)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_consumes_what_the_topics_say_and_nothing_else(service: str) -> None:
    entry = package(service) / "entrypoints" / "kafka.py"
    used = names_in(entry.parent) if entry.exists() else set()
    named = {fact.__name__: fact.topic for fact in REGISTRY.values()}
    subscribed = {named[name] for name in used if name in named} if "REGISTRY" not in used else declared(service)
    if "follow" in used:  # of fj_survivors: it subscribes to merges and unmerges
        subscribed.add("patient-events")
    assert subscribed == declared(service)


def test_a_link_waits_for_all_rooms_that_follow_links_and_for_no_other() -> None:
    assert {room for room in SERVICES if "follow_links" in names_in(package(room) / "entrypoints")} == LINK_ROOMS


def declared(service: str) -> set[str]:
    return {topic.name for topic in TOPICS.values() if service in topic.consumers}


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_every_fact_is_stated_by_the_owner_of_its_topic_and_by_nobody_else(name: str) -> None:
    fact = REGISTRY[name]
    makers = set()
    for service in SERVICES:
        calls = re.compile(rf"\b{fact.__name__}(\(|\b.*\bemit\b)|\b{fact.__name__}\.model_validate\(")
        sources = (file.read_text("utf-8") for file in package(service).rglob("*.py"))
        if any(calls.search(source) for source in sources):
            makers.add(service)
    assert makers <= set(TOPICS[fact.topic].producers)


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_can_be_deployed(service: str) -> None:
    manifest = ROOT / "k8s" / "base" / f"{kebab(service)}.yaml"
    kinds = {document["kind"] for document in yaml.safe_load_all(manifest.read_text("utf-8"))}
    assert {"Service", "Job", "PodDisruptionBudget"} < kinds
    resources = yaml.safe_load((ROOT / "k8s" / "base" / "kustomization.yaml").read_text("utf-8"))["resources"]
    assert manifest.name in resources
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert {kebab(service), f"{kebab(service)}-migrate"} <= compose.keys()


def test_the_gateway_of_kubernetes_is_the_one_of_the_local_stack() -> None:
    local = ROOT / "deploy/local/src/fj_local/config/gateway.Caddyfile"
    copy = ROOT / "k8s/base/gateway.Caddyfile"
    assert copy.read_text("utf-8") == local.read_text("utf-8"), "copy it again"


def test_no_folder_is_called_common_or_utils() -> None:
    folders = {path.name for top in ("services", "libs", "deploy") for path in (ROOT / top).rglob("*") if path.is_dir()}
    assert folders & {"common", "utils", "util", "helpers", "misc"} == set()


@pytest.mark.parametrize("service", SERVICES)
def test_the_gateway_knows_the_way_to_every_service(service: str) -> None:
    text = (ROOT / "deploy/local/src/fj_local/config/gateway.Caddyfile").read_text("utf-8")
    assert f"handle /api/{service}/*" in text
