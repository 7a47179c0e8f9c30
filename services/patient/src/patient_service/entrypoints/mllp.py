"""Patients in by MLLP (HL7 v2.5.1 ch. 3; IHE RAD-1, RAD-12, ITI-30)."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final
from uuid import UUID

from fj_bus import Tx
from fj_events import Identifier, PatientPhi, Source, patient_key
from fj_hl7 import CX, PID, Door, Ledger, Message, missing
from fj_runtime import Site, Sites

from patient_service import handlers
from patient_service.domain.patient import News
from patient_service.ports import Patients

KINDS: Final = ("ADT^A01", "ADT^A04", "ADT^A05", "ADT^A08", "ADT^A28", "ADT^A31")
"""Admit, register, pre-admit, update, add person, update person: each says who the patient is."""


def patients_door(
    sites: Sites,
    namespace: UUID,
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    patients: Callable[[Tx], Patients],
    ledger: Ledger,
) -> Door[Tx]:
    """The door for patients. An update of somebody unknown registers them: the feed may have begun before us."""

    async def take(messages: Sequence[Message], tx: Tx) -> None:
        for message in messages:
            site = sites.of_sender(*message.sender)
            await handlers.announce(news_of(message, site, namespace), patients(tx))

    return Door("patients", dict.fromkeys(KINDS, take), unit, ledger)


def news_of(message: Message, site: Site, namespace: UUID) -> News:
    """What an ADT message says of its patient. Raises Refusal where no number tells who that is."""
    pid = PID.read(message["PID"])
    ids = [Identifier(value=cx.value, issuer=_issuer(cx) or site.issuers.patient) for cx in pid.ids]
    if not ids:
        raise missing("PID", 1, 3)
    return News(
        patient_id=patient_key(namespace, ids[0].issuer, ids[0].value),
        site=site.name,
        source=Source.HL7,
        details=PatientPhi.model_validate({"id": ids[0], "other_ids": ids[1:], **pid.demographics()}),
        nulls=pid.nulls,
    )


def _issuer(cx: CX) -> str:
    return cx.authority.namespace or cx.authority.universal_id
