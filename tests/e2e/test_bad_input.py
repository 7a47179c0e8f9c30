"""Bad input at every door: a clear answer in the protocol's own way, nothing changed; then the next good one."""

import pytest
from fj_hl7 import Refused
from fj_simulators import Clinic, Doors, an_exam
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

pytestmark = [pytest.mark.servers, pytest.mark.timeout(400)]
JSON = {"Content-Type": "application/json"}
MPPS = "1.2.840.10008.3.1.2.3.3"

HTTP_DOORS = [
    ("POST", "/api/order/orders"),
    ("POST", "/api/order/orders/00000000-0000-0000-0000-000000000000/cancel"),
    ("PUT", "/api/reporting/exams/x/draft"),
    ("POST", "/api/reporting/exams/x/sign"),
    ("POST", "/fhir/ServiceRequest"),
]


@pytest.mark.parametrize(("method", "path"), HTTP_DOORS)
@pytest.mark.parametrize("body", ["{", "[1, 2", "\x00", '{"a": NaN}', '"text"'])
async def test_invalid_json_is_answered_in_the_manner_of_the_door(
    clinic: Clinic, method: str, path: str, body: str
) -> None:
    answer = await clinic.http.request(method, path, content=body, headers=JSON)
    assert 400 <= answer.status_code < 500
    kind = "application/fhir+json" if path.startswith("/fhir") else "application/problem+json"
    assert answer.headers["content-type"].startswith(kind)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "/dicomweb/studies?limit=x",
        "/dicomweb/studies?StudyDate=yesterday",
        "/dicomweb/studies?NoSuchAttribute=1",
        "/fhir/Patient?birthdate=soon",
        "/api/portal/exams?limit=0",
    ],
)
async def test_a_bad_query_is_refused(clinic: Clinic, query: str) -> None:
    answer = await clinic.http.get(query)
    assert answer.status_code in {400, 422}
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"MSH|^~\\&|A|B", b"MSH|^~\\&|A|B|C|D|20260101||QRY^A19|77|P|2.5"])
async def test_what_is_no_order_is_refused_and_the_next_good_one_is_taken(clinic: Clinic, raw: bytes) -> None:
    if raw.startswith(b"MSH"):
        with pytest.raises(Refused) as refused:
            await clinic.ehr.sends_order(raw)
        assert refused.value.ack.code in {"AE", "AR"}
    exam = an_exam()
    assert (await clinic.ehr.orders(exam)).code == "AA"


def test_a_wrong_called_ae_title_is_refused(doors: Doors) -> None:
    scanner = AE(ae_title="CT1")
    scanner.add_requested_context(CTImageStorage)
    for port in (doors.images, doors.worklist):
        association = scanner.associate(doors.host, port, ae_title="NOBODY")
        assert association.is_rejected


def test_an_unknown_transfer_syntax_is_not_accepted(doors: Doors) -> None:
    scanner = AE(ae_title="CT1")
    scanner.add_requested_context(CTImageStorage, ["1.2.3.4.5"])
    association = scanner.associate(doors.host, doors.images, ae_title="FJ_STORE")
    assert association.accepted_contexts == []
    if association.is_established:
        association.release()


def test_an_n_set_of_an_unknown_step_is_refused_by_the_standards_status(doors: Doors) -> None:
    scanner = AE(ae_title="CT1")
    scanner.add_requested_context(MPPS, ExplicitVRLittleEndian)
    association = scanner.associate(doors.host, doors.worklist, ae_title="FJ_MWL")
    assert association.is_established
    change = Dataset()
    change.PerformedProcedureStepStatus = "COMPLETED"
    status, _ = association.send_n_set(change, MPPS, generate_uid())
    association.release()
    assert status.Status == 0x0112
