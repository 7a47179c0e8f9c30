"""The SCP base over real sockets, with pynetdicom and dcmtk at the other end."""

import asyncio
import itertools
import os
from collections.abc import Iterable

from fj_dicom import (
    UNCOMPRESSED,
    VERIFICATION,
    Answer,
    Command,
    CommandField,
    ErrorId,
    FindService,
    General,
    NormalizedService,
    Refused,
    Request,
    Status,
    Store,
)
from fj_testing import eventually
from pydicom import Dataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.association import Association

from libs.dicom.tests.scu import (
    MPPS,
    Raw,
    a_listener,
    a_request,
    command_set,
    in_association,
    listening,
    message,
    n_create,
)

MWL = "1.2.840.10008.5.1.4.31"
ECHO = (VERIFICATION, UNCOMPRESSED)


def entries(count: int) -> list[Dataset]:
    found = []
    for number in range(count):
        entry = Dataset()
        entry.SpecificCharacterSet = "ISO_IR 192"
        entry.PatientName = f"Müller^{number}"
        entry.PatientID = str(number)
        found.append(entry)
    return found


def a_query(**keys: str) -> Dataset:
    query = Dataset()
    query.PatientName = ""
    for keyword, value in keys.items():
        setattr(query, keyword, value)
    return query


async def dcmtk(*command: str) -> tuple[int, str]:
    """Exit code and output of a tool with untouched settings."""
    tool = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await tool.communicate()
    return tool.returncode or 0, output.decode(errors="replace")


async def test_echo_by_pynetdicom_and_dcmtk(port: int) -> None:
    async with listening(port):
        status = await in_association(port, lambda link: link.send_c_echo().Status, ECHO)
        assert status == 0x0000
        assert (await dcmtk("echoscu", "-aec", "FJ_TEST", "127.0.0.1", str(port)))[0] == 0


async def test_a_query_is_answered_with_every_match(port: int) -> None:
    seen: list[Request] = []

    async def find(request: Request) -> Iterable[Dataset]:
        seen.append(request)
        assert request.dataset().PatientID == "P1"
        return entries(300)

    async with listening(port, FindService(MWL, find)):

        def act(link: Association) -> list[tuple[int, str]]:
            return [
                (status.Status, str(match.PatientName) if match else "")
                for status, match in link.send_c_find(a_query(PatientID="P1"), MWL)
            ]

        answers = await in_association(port, act, (MWL, UNCOMPRESSED), calling="CT1")
        assert answers == [(0xFF00, f"Müller^{number}") for number in range(300)] + [(0x0000, "")]
        assert (seen[0].caller.ae_title, seen[0].caller.called_ae_title, seen[0].caller.site) == (
            "CT1",
            "FJ_TEST",
            "MAIN",
        )
        code, output = await dcmtk(
            "findscu", "-W", "-aec", "FJ_TEST", "-k", "PatientID=P1", "-k", "PatientName", "127.0.0.1", str(port)
        )
        assert code == 0
        assert output.count("Find Response:") == 300 or "299" in output


async def test_matches_may_be_encoded_already(port: int) -> None:
    async def find(request: Request) -> Iterable[bytes]:
        assert request.transfer_syntax == ImplicitVRLittleEndian
        return [b"\x10\x00\x20\x00\x02\x00\x00\x00P7"]

    async with listening(port, FindService(MWL, find)):

        def act(link: Association) -> list[str]:
            return [match.PatientID for _, match in link.send_c_find(a_query(), MWL) if match]

        assert await in_association(port, act, (MWL, [ImplicitVRLittleEndian])) == ["P7"]


async def test_a_query_stops_when_it_is_cancelled(port: int) -> None:
    sent = itertools.count()

    def endless() -> Iterable[bytes]:
        while True:
            next(sent)
            yield b"\x10\x00\x20\x00\x02\x00\x00\x00P7"

    async def find(_: Request) -> Iterable[bytes]:
        return endless()

    async with listening(port, FindService(MWL, find)):

        def act(link: Association) -> int:
            last = 0
            for number, (status, _) in enumerate(link.send_c_find(a_query(), MWL, msg_id=5)):
                last = int(status.Status)
                if number == 3:
                    link.send_c_cancel(5, query_model=MWL)
            return last

        assert await in_association(port, act, (MWL, UNCOMPRESSED)) == 0xFE00


async def test_a_cancellation_that_comes_with_its_query_is_heard(port: int) -> None:
    async def find(_: Request) -> Iterable[bytes]:
        return itertools.repeat(b"\x10\x00\x20\x00\x02\x00\x00\x00P7")

    asked = command_set((0x0002, MWL.encode()), (0x0100, b"\x20\x00"), (0x0110, b"\x05\x00"), (0x0800, b"\x01\x00"))
    cancelled = command_set((0x0100, b"\xff\x0f"), (0x0120, b"\x05\x00"), (0x0800, b"\x01\x01"))

    def act() -> bytes:
        with Raw(port) as peer:
            peer.send(a_request(MWL, UNCOMPRESSED[0]))
            peer.read()
            peer.send(message(1, asked, b"\x10\x00\x20\x00\x00\x00\x00\x00") + message(1, cancelled))
            last = b""
            while b"\x00\x00\x00\x09\x02\x00\x00\x00\x00\xfe" not in last:
                _, last = peer.read()
                assert last
            return last

    async with listening(port, FindService(MWL, find)):
        assert await asyncio.wait_for(asyncio.to_thread(act), 20)


async def test_normalized_services_answer_what_their_handlers_say(port: int) -> None:
    async def create(request: Request) -> Answer:
        if "Modality" not in request.dataset():
            raise Refused(Status(General.MISSING_ATTRIBUTE, "Modality (0008,0060) is missing", offending=(0x00080060,)))
        return Answer(sop_instance_uid=request.command.sop_instance_uid or "1.2.3.4")

    async def update(_: Request) -> Answer:
        raise Refused(Status(General.PROCESSING_FAILURE, "is completed", error_id=ErrorId.NO_LONGER_UPDATABLE))

    service = NormalizedService(MPPS, {CommandField.N_CREATE: create, CommandField.N_SET: update})
    step = Dataset()
    step.Modality = "CT"
    async with listening(port, service):

        def act(link: Association) -> list[Dataset]:
            return [
                link.send_n_create(step, MPPS, "1.2.9")[0],
                link.send_n_create(step, MPPS)[0],
                link.send_n_create(a_query(), MPPS, "1.2.9")[0],
                link.send_n_set(step, MPPS, "1.2.9")[0],
                link.send_n_delete(MPPS, "1.2.9"),
            ]

        answers = await in_association(port, act, (MPPS, UNCOMPRESSED))
        assert isinstance(answers, list)
        assert [answer.Status for answer in answers] == [0, 0, 0x0120, 0x0110, 0x0211]
        assert answers[2].ErrorComment == "Modality (0008,0060) is missing"
        assert answers[3].ErrorID == 0xA710


async def test_a_handler_that_breaks_or_is_late_is_a_failure_without_its_secrets(port: int) -> None:
    async def create(request: Request) -> Answer:
        if request.command.sop_instance_uid == "1.2":
            raise ValueError("patient Doe")
        await asyncio.sleep(60)
        raise AssertionError

    async with listening(port, NormalizedService(MPPS, {CommandField.N_CREATE: create}), answer_timeout_s=0.2):

        def act(link: Association) -> list[Dataset]:
            return [link.send_n_create(a_query(), MPPS, uid)[0] for uid in ("1.2", "1.3")] + [link.send_c_echo()]

        answers = await in_association(port, act, (MPPS, UNCOMPRESSED), ECHO)
        assert isinstance(answers, list)
        assert [answer.Status for answer in answers] == [0x0110, 0x0110, 0]
        assert [answer.ErrorComment for answer in answers[:2]] == ["internal error", "no result within 0.2 s"]


async def test_a_silent_peer_is_let_go(port: int) -> None:
    async with listening(port, request_timeout_s=0.3, idle_timeout_s=0.3) as scp:
        with Raw(port) as nothing_asked, Raw(port) as nothing_said:
            nothing_said.send(a_request(VERIFICATION, UNCOMPRESSED[0]))
            assert (await asyncio.to_thread(nothing_said.read))[0] == 0x02
            assert (await asyncio.to_thread(nothing_said.read))[0] == 0
            assert (await asyncio.to_thread(nothing_asked.read))[0] == 0
        assert scp.health().ok


async def test_a_stop_finishes_the_message_at_hand_and_aborts_the_idle(port: int) -> None:
    begun, go_on, stop = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def create(_: Request) -> Answer:
        begun.set()
        await go_on.wait()
        return Answer()

    scp = a_listener(port, NormalizedService(MPPS, {CommandField.N_CREATE: create}))
    running = asyncio.create_task(scp.run(stop))
    await eventually(lambda: scp.health().ok)
    with Raw(port) as idle, Raw(port) as busy:
        for peer in (idle, busy):
            peer.send(a_request(MPPS, UNCOMPRESSED[0]))
            assert (await asyncio.to_thread(peer.read))[0] == 0x02
        busy.send(message(1, n_create(), b"\x08\x00\x60\x00CS\x02\x00CT"))
        await begun.wait()
        stop.set()
        assert (await asyncio.to_thread(idle.read))[0] == 0x07
        assert not scp.health().ok
        go_on.set()
        assert [(await asyncio.to_thread(busy.read))[0] for _ in range(2)] == [0x04, 0x07]
    await asyncio.wait_for(running, 10)


def test_comments_are_short_and_plain() -> None:
    status = Status(Store.CANNOT_UNDERSTAND, "ä\\b\n" + "x" * 100)
    assert status.error_comment == "?/b " + "x" * 60
    command = Command(1, 7, "1.2", "1.3", True, None, "")
    assert b"?/b xx" in command.response(status)
