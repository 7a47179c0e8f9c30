"""Reading ADT messages: PID and MRG (HL7 v2.5.1 ch. 3.4.2, 3.4.9) into news of patients and merges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Self
from uuid import UUID

from fj_doors import instant, site_of
from fj_events import Identifier, PatientPhi, Source, VisitKind, patient_key
from fj_hl7 import CX, PID, XPN, AckCode, ErrorCode, Hl7Error, Message, Refusal, Segment, missing
from fj_runtime import Site, Sites

from patient_service.domain.link import LinkNews
from patient_service.domain.merge import MergeNews
from patient_service.domain.patient import News
from patient_service.domain.renumbering import Renumbering, RenumberNews
from patient_service.domain.visit import Visit, VisitNews

_REGISTERS: Final = frozenset({"A01", "A04", "A05", "A28"})
_RENAMES: Final = frozenset({"A47"})
_UNLINKS: Final = frozenset({"A37"})
_MOVED: Final = MappingProxyType({"A44": (VisitKind.ACCOUNT, 3), "A45": (VisitKind.VISIT, 5)})
"""What is moved, and in which field of MRG its number stands."""
_RENUMBERED: Final = MappingProxyType(
    {"A49": (VisitKind.ACCOUNT, 3, "PID", 18), "A50": (VisitKind.VISIT, 5, "PV1", 19)}
)
"""What gets another number, in which field of MRG the one before stands, and where the new one."""
_MERGES_ACCOUNTS: Final = "A36"
"""Merges patients and, by the same segments, accounts: as A49 has it, where both numbers are there."""
_ALTERNATES: Final = "A48"
"""Changes the alternate patient id itself; A51, of an alternate visit, may name one too."""
_EXTERNAL: Final = frozenset({"A39"})
"""Merges by the external number, which stands in MRG-4 (PID-2) where MRG-1 is empty."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One ADT message, read for the site of its sender: a number without authority is that of the site's issuer."""

    message: Message
    site: Site
    namespace: UUID

    @classmethod
    def of(cls, message: Message, sites: Sites, namespace: UUID) -> Self:
        return cls(message, site_of(message, sites), namespace)

    @property
    def at(self) -> datetime:
        """When it happened, as the sender says: EVN-2, else MSH-7; without either, now."""
        event = self.message.segment("EVN")
        said = (event and event.time(2)) or self.message.header.time(7)
        return instant(said, self.site) if said else datetime.now(UTC)

    def news(self) -> News:
        """What the message says of its patient. Raises Refusal where no number tells who that is, or two PID do."""
        pid, *others = self.message.segments("PID") or [self.message["PID"]]
        if others:
            text = f"{self.message.kind} speaks of one patient"
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "PID", 2))
        return self._patient(pid)

    def merges(self) -> list[MergeNews]:
        """Who becomes whose: each PID with the MRG segments behind it, each MRG with all its numbers."""
        at = self.at
        return [
            MergeNews(prior=prior, survivor=survivor, at=at, renames=self.message.trigger in _RENAMES)
            for survivor, mrg in self._pairs()
            for prior in self._priors(mrg, survivor)
        ]

    def moves(self) -> list[VisitNews]:
        """Whose a visit or account is (A45: MRG-5, A44: MRG-3): the number stays, its patient is the one of PID."""
        kind, field = _MOVED[self.message.trigger]
        return [
            VisitNews(visit=self._visit(kind, mrg, field), prior=prior, holder=holder, at=self.at)
            for holder, mrg in self._pairs()
            for prior in self._priors(mrg, holder)
        ]

    def renumbered(self) -> RenumberNews:
        """Which number a visit or account has now (A50: MRG-5 to PV1-19, A49: MRG-3 to PID-18)."""
        kind, field, name, place = _RENUMBERED[self.message.trigger]
        mrg, segment = self.message["MRG"], self.message[name]
        number = next(iter(self.numbers(segment.each(CX, place))), None)
        if number is None:
            raise missing(name, segment.sequence, place)
        return self._renumbering(self.news(), mrg, self._visit(kind, mrg, field), number)

    def merged_accounts(self) -> Iterator[RenumberNews]:
        """Which number an account has now whose patient is merged by the same message (A36: MRG-3 to PID-18)."""
        if self.message.trigger != _MERGES_ACCOUNTS:
            return
        _, field, _, place = _RENUMBERED["A49"]
        pid = self.message["PID"]
        for group in self.message.groups("PID", "MRG"):
            pid = group.segment("PID") or pid
            number = next(iter(self.numbers(pid.each(CX, place))), None)
            for mrg in group.segments("MRG"):
                if number is None or not self.numbers(mrg.each(CX, field)):
                    continue
                account = self._visit(VisitKind.ACCOUNT, mrg, field)
                if account.number != number:
                    yield self._renumbering(self._patient(pid), mrg, account, number)

    def _renumbering(self, patient: News, mrg: Segment, visit: Visit, number: Identifier) -> RenumberNews:
        ours = (patient.details.id, *patient.details.other_ids, *self.numbers(mrg.each(CX, 1)))
        said = Renumbering(
            patient_id=patient.patient_id,
            patient_ids=frozenset(patient_key(self.namespace, each.issuer, each.value) for each in ours if each),
            number=number,
            at=self.at,
        )
        return RenumberNews(visit=visit, site=self.site.name, renumbering=said)

    def links(self) -> list[LinkNews]:
        """Who is one person with whom (A24), or is not (A37): the first PID with each of the others."""
        one, *others = (self._patient(pid) for pid in (self.message["PID"], *self.message.segments("PID")[1:]))
        if not others:
            raise missing("PID", 2)
        linked = self.message.trigger not in _UNLINKS
        return [LinkNews(one=one, other=other, at=self.at, linked=linked) for other in others]

    def replaced_numbers(self) -> list[Identifier]:
        """Prior further numbers (MRG-2, alternate patient id). Raises Refusal where A48 has none.

        A51 is about an alternate visit id (MRG-6), which nothing here carries; it may name such a number as well.
        """
        replaced: list[Identifier] = []
        for mrg in self.message.segments("MRG") or [self.message["MRG"]]:
            numbers = self.numbers(mrg.each(CX, 2))
            if not numbers and self.message.trigger == _ALTERNATES:
                raise missing("MRG", mrg.sequence, 2)
            replaced += numbers
        return replaced

    def _pairs(self) -> Iterator[tuple[News, Segment]]:
        if "PID" not in self.message:
            raise missing("PID")
        survivor: News | None = None
        for group in self.message.groups("PID", "MRG"):
            pid, found = group.segment("PID"), group.segments("MRG")
            survivor = self._patient(pid) if pid else survivor
            if survivor is None or not found:
                raise missing("MRG" if survivor else "PID")
            for mrg in found:
                yield survivor, mrg

    def _priors(self, mrg: Segment, survivor: News) -> list[News]:
        """One for each prior number. One that the survivor is known by is no merge, unless it is the only one."""
        external = mrg.each(CX, 4)
        numbers = self.numbers(mrg.each(CX, 1))
        if not numbers and self.message.trigger in _EXTERNAL:
            numbers, external = self.numbers(external), []
        if not numbers:
            raise missing("MRG", mrg.sequence, 1)
        others = [number for number in numbers if number != survivor.details.id] or numbers
        name = mrg.first(XPN, 7)
        said = {"family_name": name.family or None, "given_name": name.given or None} if name else {}
        further = self.numbers(external)
        return [self._news(number, further if number == others[0] else [], said) for number in others]

    def _visit(self, kind: VisitKind, mrg: Segment, field: int) -> Visit:
        number = next(iter(self.numbers(mrg.each(CX, field))), None)
        if number is None:
            raise missing("MRG", mrg.sequence, field)
        return visit_of(kind, number, self.namespace)

    def _patient(self, pid: Segment) -> News:
        read = PID.read(pid, self.message.profile)
        ids = self.numbers(read.ids)
        if not ids:
            raise missing("PID", pid.sequence, 3)
        registers = self.message.trigger in _REGISTERS
        return self._news(ids[0], ids[1:], read.demographics(), read.nulls, self.at if registers else None)

    def _news(
        self,
        number: Identifier,
        further: Sequence[Identifier],
        said: dict[str, object] | dict[str, str | None],
        nulls: frozenset[str] = frozenset(),
        registered_at: datetime | None = None,
    ) -> News:
        return News(
            patient_id=patient_key(self.namespace, number.issuer, number.value),
            site=self.site.name,
            source=Source.HL7,
            details=PatientPhi.model_validate({"id": number, "other_ids": further, **said}),
            at=min(self.at, datetime.now(UTC)),
            nulls=nulls,
            registered_at=registered_at,
        )

    def numbers(self, ids: Sequence[CX]) -> list[Identifier]:
        """Those that are there, with their issuers."""
        return [Identifier(value=cx.value, issuer=_issuer(cx) or self.site.issuers.patient) for cx in ids if cx.value]


def visit_of(kind: VisitKind, number: Identifier, namespace: UUID) -> Visit:
    """The visit or account with this number."""
    key = patient_key(namespace, f"{kind}\x1f{number.issuer}", number.value)
    return Visit(visit_id=key, kind=kind, number=number)


def _issuer(cx: CX) -> str:
    return cx.authority.namespace or cx.authority.universal_id
