"""What FJ_PEERS and settings make of a caller: what it may store, and what its facts say where its data sets do not."""

import asyncio

import pytest
from fj_dicom import SOP_CLASSES
from pydicom._uid_dict import UID_dictionary
from pynetdicom import AE, build_context

from services.ingest.tests.builders import CT, EXPLICIT, Modality, a_uid, an_instance, send
from services.ingest.tests.doors import World

pytestmark = pytest.mark.servers
PRIVATE = "1.3.46.670589.2.5.1.1"
PEERS = """
US2:
  host: 127.0.0.1
  port: 11190
  site: SOUTH
  transfer_syntaxes: [ExplicitVRLittleEndian]
  patient_id_issuer: SOUTH-OLD
  accession_issuer: SOUTH-RIS
  station_name: US room 2
"""
SETTINGS = {"FJ_SOP_CLASSES": f'["{PRIVATE}"]'}


async def test_a_callers_issuers_and_name_stand_in_its_facts_where_its_data_sets_are_silent(
    world: World, dimse_port: int
) -> None:
    silent = an_instance()
    speaking = an_instance(IssuerOfPatientID="OTHER", StationName="OWN")
    assert await Modality(dimse_port, "US2").store(silent, speaking) == [0x0000] * 2
    (fact,) = await world.facts(silent.StudyInstanceUID)
    assert (fact["site"], fact["series"]["station_name"]) == ("SOUTH", "US room 2")
    assert (fact["patient"]["id"]["issuer"], fact["accession_number"]["issuer"]) == ("SOUTH-OLD", "SOUTH-RIS")
    (fact,) = await world.facts(speaking.StudyInstanceUID)
    assert (fact["patient"]["id"]["issuer"], fact["series"]["station_name"]) == ("OTHER", "OWN")


async def test_a_caller_stores_in_its_own_transfer_syntaxes_only(world: World, dimse_port: int) -> None:
    link = await asyncio.to_thread(Modality(dimse_port, "US2").associate, "1.2.840.10008.1.2.4.90")
    assert [context.result for context in link.rejected_contexts] == [4]
    link = await asyncio.to_thread(Modality(dimse_port).associate, "1.2.840.10008.1.2.4.90")
    assert link.is_established
    await asyncio.to_thread(link.release)


async def test_a_private_sop_class_is_stored_where_the_setting_names_it(world: World, dimse_port: int) -> None:
    sent = an_instance(SOPClassUID=PRIVATE)
    assert await Modality(dimse_port, sop_class=PRIVATE).store(sent) == [0x0000]
    (fact,) = await world.facts(sent.StudyInstanceUID)
    assert fact["instances"][0]["sop_class_uid"] == PRIVATE
    link = await asyncio.to_thread(Modality(dimse_port, sop_class=a_uid()).associate, EXPLICIT)
    assert [context.result for context in link.rejected_contexts] == [3]


SYNTAXES = [
    uid
    for uid, entry in UID_dictionary.items()
    if entry[1] == "Transfer Syntax" and not entry[4].startswith(("Papyrus", "RFC", "XML"))
]


async def test_every_transfer_syntax_of_the_dictionary_is_accepted(world: World, dimse_port: int) -> None:
    """And a data set in one of the rarest arrives as it was sent."""
    assert len(SYNTAXES) >= 60

    def refused() -> list[str]:
        ae = AE("CT9")
        ae.requested_contexts = [build_context(CT, syntax) for syntax in SYNTAXES]
        link = ae.associate("127.0.0.1", dimse_port, ae_title="FJ_STORE")
        link.release()
        return [str(context.transfer_syntax) for context in link.rejected_contexts]

    assert await asyncio.to_thread(refused) == []
    hierarchical = "1.2.840.10008.1.2.4.64"
    sent = an_instance()
    assert await Modality(dimse_port).run(lambda link: [send(link, sent, hierarchical)], hierarchical) == [0x0000]
    (fact,) = await world.facts(sent.StudyInstanceUID)
    assert fact["instances"][0]["transfer_syntax_uid"] == hierarchical


def test_every_storage_sop_class_of_the_dictionaries_is_among_those_that_are_taken() -> None:
    assert {CT, "1.2.840.10008.5.1.4.1.1.501.1", "1.2.840.10008.5.1.4.1.1.5", "1.2.840.10008.5.1.1.30"} <= SOP_CLASSES
    assert "1.2.840.10008.1.3.10" not in SOP_CLASSES
