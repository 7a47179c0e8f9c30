"""FJ_PEERS: what may stand in it, and what an acceptor makes of it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from fj_dicom import VERIFICATION, BadPeers, Peer, Peers
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage

from libs.dicom.tests.scu import Kept, associate, listening

EVERYTHING = """
CT1: {host: 10.0.0.1, port: 104, site: NORTH}
MR1: {host: mr1, port: 104}
US 2:
  host: 10.0.0.2
  port: 11112
  site: SOUTH
  associations: 3
  transfer_syntaxes: [ExplicitVRLittleEndian, 1.2.840.10008.1.2.4.50]
  sop_classes: [UltrasoundImageStorage, 1.3.46.670589.2.5.1.1]
  patient_id_issuer: SOUTH-OLD
  accession_issuer: SOUTH-RIS
  station_name: US room 2
"""


def test_peers_are_read(tmp_path: Path) -> None:
    file = tmp_path / "peers.yaml"
    file.write_text(EVERYTHING)
    peers = Peers.load(file)
    assert (peers.site("CT1"), peers.site("MR1"), peers.site("XX")) == ("NORTH", "MAIN", "MAIN")
    assert peers.get("XX") is None
    assert peers.get("US 2") == Peer(
        "US 2",
        "10.0.0.2",
        11112,
        "SOUTH",
        3,
        frozenset({"1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"}),
        frozenset({"1.2.840.10008.5.1.4.1.1.6.1", "1.3.46.670589.2.5.1.1"}),
        "SOUTH-OLD",
        "SOUTH-RIS",
        "US room 2",
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("- CT1", "mapping of AE titles"),
        ("{", "FJ_PEERS"),
        ("CT1: x", "'CT1': a mapping"),
        ("CT1: {host: a}", "'CT1': port is missing"),
        ("CT1: {port: 1}", "'CT1': host is missing"),
        ("CT1: {host: a, port: b}", "'CT1': port: a port number expected, 'b'"),
        ("CT1: {host: a, port: true}", "'CT1': port"),
        ("CT1: {host: [], port: 1}", "'CT1': host"),
        ("CT1: {host: a, port: 1, site: 'a b'}", "'CT1': site"),
        ("CT1: {host: a, port: 1, associations: 17}", "'CT1': associations: 1 to 16"),
        ("CT1: {host: a, port: 1, sites: A}", "'CT1': there is no field 'sites'"),
        ("CT1: {host: a, port: 1, transfer_syntaxes: JPEG}", "'CT1': transfer_syntaxes"),
        ("CT1: {host: a, port: 1, transfer_syntaxes: [NoSuchSyntax]}", "'CT1': transfer_syntaxes"),
        ("CT1: {host: a, port: 1, sop_classes: []}", "'CT1': sop_classes"),
        ("CT1: {host: a, port: 1, patient_id_issuer: ''}", "'CT1': patient_id_issuer"),
        ("CT1: {host: a, port: 1, station_name: 'a\\b'}", "'CT1': station_name"),
        ("ABCDEFGHIJKLMNOPQ: {host: a, port: 1}", "ABCDEFGHIJKLMNOPQ"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, wrong: str, named: str) -> None:
    file = tmp_path / "peers.yaml"
    file.write_text(wrong)
    with pytest.raises(BadPeers) as refusal:
        Peers.load(file)
    assert named in str(refusal.value)


PEERS = Peers(
    {
        "J2K": Peer("J2K", "127.0.0.1", 1, transfer_syntaxes=frozenset({JPEG2000Lossless, ImplicitVRLittleEndian})),
        "MR": Peer("MR", "127.0.0.1", 1, sop_classes=frozenset({MRImageStorage})),
    }
)
PROPOSED: Sequence[tuple[str, Sequence[str]]] = (
    (CTImageStorage, [ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
    (MRImageStorage, [ExplicitVRLittleEndian]),
    (VERIFICATION, [ExplicitVRLittleEndian]),
)


@pytest.mark.parametrize(
    ("calling", "results"),
    [
        ("ANYBODY", [ExplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRLittleEndian]),
        ("J2K", [ImplicitVRLittleEndian, 4, ExplicitVRLittleEndian]),
        ("MR", [3, ExplicitVRLittleEndian, ExplicitVRLittleEndian]),
    ],
)
async def test_a_peer_stores_only_what_is_agreed_for_it(port: int, calling: str, results: list[str | int]) -> None:
    """What it does besides storing is not restricted: verification works in any encoding."""
    async with listening(port, Kept().service(), peers=PEERS):
        link = await asyncio.to_thread(associate, port, *PROPOSED, calling=calling)
        contexts = sorted([*link.accepted_contexts, *link.rejected_contexts], key=lambda one: one.context_id or 0)
        assert [one.result or one.transfer_syntax[0] for one in contexts] == results
        await asyncio.to_thread(link.release)


async def test_strangers_are_rejected_where_only_known_callers_may_come(port: int) -> None:
    async with listening(port, Kept().service(), peers=PEERS, known_callers_only=True):
        stranger = await asyncio.to_thread(associate, port, *PROPOSED, calling="ANYBODY")
        assert stranger.is_rejected
        assert stranger.acceptor.primitive is not None
        assert stranger.acceptor.primitive.diagnostic == 3
        known = await asyncio.to_thread(associate, port, *PROPOSED, calling="MR")
        assert known.is_established
        await asyncio.to_thread(known.release)
