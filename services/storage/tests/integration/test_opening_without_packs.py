"""A study opens by what was kept of it once: its instances are not touched."""

import httpx
import pytest
from fj_objects import NoSuchObject
from fj_testing import Feed, eventually

from services.storage.tests.builders import Exam, Packer
from services.storage.tests.integration.test_retrieving import get, instance

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
SLICES, IN_A_FACT = 1000, 500


async def test_a_thousand_slices_open_after_their_pack_is_gone(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    images = exam.images(SLICES)
    fact = await packer.ship(exam, images)
    for first in range(0, SLICES, IN_A_FACT):  # one fact would be longer than a fact may be
        part = fact.instances[first : first + IN_A_FACT]
        await feed.publish(fact.model_copy(update={"instances": part}))

    async def described() -> bool:
        answer = await http.get(f"/api/storage/studies/{exam.study_uid}")
        return answer.status_code == 200 and answer.json()["described_series"] == 1

    await eventually(described, within=40)
    await packer.store.delete(fact.pack.key)
    with pytest.raises(NoSuchObject):
        await packer.store.head(fact.pack.key)
    study = f"/dicomweb/studies/{exam.study_uid}"
    assert (await http.get(f"{instance(study, images[0])}/frames/1")).status_code == 410
    for address in (f"{study}/series/{images[0].series}", study):
        told = (await get(http, f"{address}/metadata", {})).json()
        assert [one["00080018"]["Value"][0] for one in told] == [image.uid for image in images]
    last = told[-1]
    assert (last["00200013"]["Value"], last["00280010"]["Value"]) == ([SLICES], [16])
    listed = (await get(http, f"{study}/instances?limit={SLICES}", {})).json()
    assert len(listed) == SLICES
