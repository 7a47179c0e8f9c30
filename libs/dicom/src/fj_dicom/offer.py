"""What an SCP offers: merged from its services once, read by every association."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from fj_dicom.command import CommandField
from fj_dicom.negotiation import (
    APPLICATION_CONTEXT,
    CALLED_NOT_RECOGNIZED,
    CALLING_NOT_RECOGNIZED,
    WRONG_APPLICATION_CONTEXT,
    WRONG_PROTOCOL_VERSION,
    Agreement,
    Proposal,
    Rejection,
    Terms,
    agree,
)
from fj_dicom.peers import Peer, Peers
from fj_dicom.services import Service, Verification
from fj_dicom.settings import ScpSettings

REMEMBERED: Final = 32
"""Requests of which is remembered what was agreed to; one may be 240 KiB long."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An association that may begin."""

    calling_ae_title: str
    called_ae_title: str
    max_pdu: int
    """The longest PDU that the requestor takes."""
    agreement: Agreement


class NotAccepted(Exception):
    """The association is refused."""

    def __init__(self, calling_ae_title: str, rejection: Rejection) -> None:
        super().__init__(rejection.words)
        self.calling_ae_title = calling_ae_title
        self.rejection = rejection


@dataclass(frozen=True, slots=True, eq=False)
class Offer:
    """Contexts, who performs what in them, and who may ask."""

    name: str
    settings: ScpSettings
    peers: Peers
    contexts: Mapping[str, Sequence[str]]
    routes: Mapping[tuple[str, int], Service]
    """By abstract syntax and command field."""
    extended: Mapping[str, bytes]
    """Options by SOP class."""
    returned: Mapping[str, Sequence[str]]
    """What is sent to requestors that are SCP of it."""

    @classmethod
    def of(cls, name: str, settings: ScpSettings, services: Sequence[Service], peers: Peers) -> "Offer":
        """Merge the services; verification is added. Raises ValueError when two claim the same operation."""
        contexts: dict[str, Sequence[str]] = {}
        routes: dict[tuple[str, int], Service] = {}
        extended: dict[str, bytes] = {}
        returned: dict[str, Sequence[str]] = {}
        for service in (Verification(), *services):
            extended.update(service.extended)
            returned.update(service.returned)
            for abstract_syntax, transfer_syntaxes in service.contexts.items():
                contexts[abstract_syntax] = tuple(transfer_syntaxes)
                for command in service.commands:
                    if (abstract_syntax, command) in routes:
                        raise ValueError(f"{name}: two services perform {command:#06x} of {abstract_syntax}")
                    routes[abstract_syntax, command] = service
        return cls(name, settings, peers, contexts, routes, extended, returned)

    def answer(self, request: bytes) -> Accepted:
        """To the body of an A-ASSOCIATE-RQ. Raises NotAccepted, ProtocolBroken."""
        return _accepted(self, request)

    def refusal(self, proposal: Proposal) -> Rejection | None:
        """Why this association is not accepted, in the order of PS3.8 section 7.1.1 (None: it is)."""
        if not proposal.protocol_version & 1:
            return WRONG_PROTOCOL_VERSION
        if proposal.application_context != APPLICATION_CONTEXT:
            return WRONG_APPLICATION_CONTEXT
        if proposal.called_ae_title != self.settings.ae_title:
            return CALLED_NOT_RECOGNIZED
        if self.settings.callers and proposal.calling_ae_title not in self.settings.callers:
            return CALLING_NOT_RECOGNIZED
        if self.settings.known_callers_only and self.peers.get(proposal.calling_ae_title) is None:
            return CALLING_NOT_RECOGNIZED
        return None

    def terms(self, calling_ae_title: str) -> Terms:
        """What is agreed to with this caller: what FJ_PEERS says of it is about what it stores."""
        return Terms(
            contexts=self._contexts(self.peers.get(calling_ae_title)),
            max_pdu=self.settings.max_pdu,
            operations_window=self.settings.operations_window,
            extended=self.extended,
            returned=self.returned,
        )

    def _contexts(self, peer: Peer | None) -> Mapping[str, Sequence[str]]:
        if peer is None or not (peer.sop_classes or peer.transfer_syntaxes):
            return self.contexts
        return {
            abstract_syntax: [uid for uid in syntaxes if uid in peer.transfer_syntaxes]
            if peer.transfer_syntaxes and self._is_stored(abstract_syntax)
            else syntaxes
            for abstract_syntax, syntaxes in self.contexts.items()
            if not peer.sop_classes or abstract_syntax in peer.sop_classes or not self._is_stored(abstract_syntax)
        }

    def _is_stored(self, abstract_syntax: str) -> bool:
        return (abstract_syntax, CommandField.C_STORE) in self.routes


@lru_cache(maxsize=REMEMBERED)
def _accepted(offer: Offer, request: bytes) -> Accepted:
    """A modality asks for the same each time. To negotiate 128 contexts takes as long as to receive 15 CT slices."""
    proposal = Proposal.decode(request)
    if refusal := offer.refusal(proposal):
        raise NotAccepted(proposal.calling_ae_title, refusal)
    agreement = agree(proposal, offer.terms(proposal.calling_ae_title))
    return Accepted(proposal.calling_ae_title, proposal.called_ae_title, proposal.max_pdu, agreement)
