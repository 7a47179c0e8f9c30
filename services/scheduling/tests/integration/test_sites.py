"""Several sites: their clocks, their stations, their numbers (law 6)."""

from datetime import UTC, datetime
from functools import partial

import pytest
from fj_events import Identifier
from fj_testing import Feed, Log, ServiceProcess, eventually

from services.scheduling.tests.builders import Modality, an_order, in_progress

pytestmark = pytest.mark.servers
SITES = """
sites:
  NORTH: {time_zone: Europe/Berlin, issuers: {patient: KH-NORD}}
  SOUTH: {time_zone: America/New_York}
"""
PEERS = """
NORTH_CT: {host: 127.0.0.1, port: 104, site: NORTH}
SOUTH_CT: {host: 127.0.0.1, port: 104, site: SOUTH}
"""
CATALOGUE = """
default: {modality: OT, duration_minutes: 30, station: OT1}
stations:
  - {ae_title: NORTH_CT, modality: CT, site: NORTH}
  - {ae_title: NORTH_CT2, modality: CT, site: NORTH}
  - {ae_title: SOUTH_CT, modality: CT, site: SOUTH}
procedures:
  - {code: CTCHEST, text: CT chest, steps: [{modality: CT, duration_minutes: 15}]}
"""


@pytest.fixture(scope="module")
def port(scheduling: ServiceProcess, dimse_port: int) -> int:
    """The worklist's, where a running `scheduling` listens."""
    return dimse_port


async def test_a_modality_sees_the_steps_of_its_own_site_by_the_clock_on_its_own_wall(port: int, feed: Feed) -> None:
    winter = datetime(2026, 1, 15, 23, 30, tzinfo=UTC)
    accession = Identifier(value="7", issuer="X")
    north = an_order(site="NORTH", accession_number=accession, asked_for=winter)
    south = an_order(site="SOUTH", accession_number=accession, asked_for=winter)
    await feed.publish(north, south)
    (item,) = await eventually(lambda: Modality(port, "NORTH_CT").sees(north))
    step = item.ScheduledProcedureStepSequence[0]
    assert item.StudyInstanceUID == north.study_instance_uid
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20260116", "003000")
    (item,) = await eventually(lambda: Modality(port, "SOUTH_CT").sees(south))
    step = item.ScheduledProcedureStepSequence[0]
    assert item.StudyInstanceUID == south.study_instance_uid
    assert (step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime) == ("20260115", "183000")
    assert await Modality(port, "STRANGER").sees(north) == []


async def test_the_load_of_a_day_is_shared_between_the_stations_of_a_site(port: int, feed: Feed) -> None:
    day = datetime(2026, 2, 2, 9, tzinfo=UTC)
    orders = [an_order(site="NORTH", asked_for=day) for _ in range(4)]
    stations = []
    for order in orders:
        await feed.publish(order)
        (item,) = await eventually(partial(Modality(port, "NORTH_CT").sees, order))
        stations.append(item.ScheduledProcedureStepSequence[0].ScheduledStationAETitle)
    assert stations == ["NORTH_CT", "NORTH_CT2", "NORTH_CT", "NORTH_CT2"]


async def test_times_and_numbers_of_a_modality_are_those_of_its_site(port: int, feed: Feed, log: Log) -> None:
    uid, _ = await Modality(port, "NORTH_CT").begins(in_progress())
    (started,) = await log.wait_for("exam-events", where=lambda record: record.body.get("mpps_instance_uid") == uid)
    assert started.body["started_at"] == "2026-03-02T12:15:00+01:00"
    assert started.body["patient"]["id"]["issuer"] == "KH-NORD"
    assert started.body["site"] == "NORTH"
