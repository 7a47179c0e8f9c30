"""What a STOW-RS response says (PS3.18 section 10.5.3)."""

from typing import Final

import httpx

STORED: Final = "00081199"
FAILED: Final = "00081198"
OTHER: Final = "0008119A"


def uids(answer: httpx.Response, sequence: str) -> list[str]:
    """The instances of one of its sequences."""
    return [item["00081155"]["Value"][0] for item in answer.json().get(sequence, {"Value": []})["Value"]]


def reasons(answer: httpx.Response, sequence: str) -> list[int]:
    """Why they failed."""
    return [item["00081197"]["Value"][0] for item in answer.json().get(sequence, {"Value": []})["Value"]]
