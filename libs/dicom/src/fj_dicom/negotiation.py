"""Association negotiation as acceptor (PS3.8 section 7.1): what is refused, which contexts are accepted.

Decoding, encoding and the rules for contexts are pynetdicom's.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
)
from pynetdicom.presentation import PresentationContext, build_context, negotiate_as_acceptor

from fj_dicom.errors import ProtocolBroken
from fj_dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from fj_dicom.pdu import INVALID_PARAMETER_VALUE

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
PDU_MAX: Final = 131072


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int
    words: str

    def encode(self) -> bytes:
        """The PDU."""
        primitive = A_ASSOCIATE()
        primitive.result, primitive.result_source, primitive.diagnostic = self.result, self.source, self.reason
        return bytes(A_ASSOCIATE_RJ(primitive).encode())


WRONG_APPLICATION_CONTEXT: Final = Rejection(1, 1, 2, "application context name not supported")
CALLING_NOT_RECOGNIZED: Final = Rejection(1, 1, 3, "calling AE title not recognized")
CALLED_NOT_RECOGNIZED: Final = Rejection(1, 1, 7, "called AE title not recognized")
WRONG_PROTOCOL_VERSION: Final = Rejection(1, 2, 2, "protocol version not supported")
LIMIT_EXCEEDED: Final = Rejection(2, 3, 2, "local limit exceeded")


@dataclass(frozen=True, slots=True)
class Proposal:
    """A decoded A-ASSOCIATE-RQ."""

    primitive: A_ASSOCIATE
    protocol_version: int
    calling_ae_title: str
    called_ae_title: str
    application_context: str
    max_pdu: int
    """The longest PDU that the requestor takes."""
    operations_window: int | None = None
    """How many operations it would like to have under way at once (PS3.7 D.3.3.3), 0: any number; None: not asked."""
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """Options that the requestor asks for, by SOP class (PS3.7 D.3.3.5)."""
    scp_of: frozenset[str] = frozenset()
    """SOP classes of which the requestor offers to be SCP (PS3.7 D.3.3.4)."""

    @classmethod
    def decode(cls, body: bytes) -> "Proposal":
        """From the PDU's body. Raises ProtocolBroken."""
        pdu = A_ASSOCIATE_RQ()
        try:
            pdu.decode(b"\x01\x00" + len(body).to_bytes(4, "big") + body)
            primitive = pdu.to_primitive()
            asked = primitive.maximum_length_received or PDU_MAX
            items = list(primitive.user_information)
            extended = {
                str(item.sop_class_uid): bytes(item.service_class_application_information or b"")
                for item in items
                if isinstance(item, SOPClassExtendedNegotiation)
            }
            windows = [item for item in items if isinstance(item, AsynchronousOperationsWindowNegotiation)]
            roles = [item for item in items if isinstance(item, SCP_SCU_RoleSelectionNegotiation) and item.scp_role]
        except Exception as reason:
            # pynetdicom's decoder raises whatever it stumbles over.
            raise ProtocolBroken("the A-ASSOCIATE-RQ cannot be decoded", INVALID_PARAMETER_VALUE) from reason
        return cls(
            primitive=primitive,
            protocol_version=pdu.protocol_version,
            calling_ae_title=primitive.calling_ae_title.strip(),
            called_ae_title=primitive.called_ae_title.strip(),
            application_context=str(primitive.application_context_name),
            max_pdu=min(max(asked, 1024), PDU_MAX),
            operations_window=windows[0].maximum_number_operations_invoked if windows else None,
            extended=extended,
            scp_of=frozenset(str(item.sop_class_uid) for item in roles),
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """The accepted contexts by id, as (abstract syntax, transfer syntax), and the PDU that says so."""

    contexts: Mapping[int, tuple[str, str]]
    pdu: bytes
    extended: Mapping[str, bytes]
    """The options that both sides can do, by SOP class."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an acceptor agrees to."""

    contexts: Mapping[str, Sequence[str]]
    """Abstract syntax -> transfer syntaxes."""
    max_pdu: int
    operations_window: int = 1
    """See `settings.ScpSettings.operations_window`."""
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """See `services.Service.extended`."""
    returned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """See `services.Service.returned`."""


def agree(proposal: Proposal, terms: Terms) -> Agreement:
    """Accept what is supported; of several transfer syntaxes the one that the requestor named first.

    The requestor's order is taken because it is the one that costs the sender no transcoding.
    """
    returned = {uid: syntaxes for uid, syntaxes in terms.returned.items() if uid in proposal.scp_of}
    supported = {**returned, **terms.contexts}
    results = [_result(proposed, supported) for proposed in proposal.primitive.presentation_context_definition_list]
    extended = {
        uid: bytes(min(ours, theirs) for ours, theirs in zip(terms.extended[uid], asked, strict=False))
        for uid, asked in proposal.extended.items()
        if uid in terms.extended
    }
    accept = A_ASSOCIATE()
    accept.application_context_name = APPLICATION_CONTEXT
    accept.calling_ae_title = proposal.primitive.calling_ae_title
    accept.called_ae_title = proposal.primitive.called_ae_title
    accept.result, accept.result_source = 0, 1
    accept.presentation_context_definition_results_list = results
    turned = sorted({str(result.abstract_syntax) for result in results if result.result == 0} & returned.keys())
    accept.user_information = [
        *user_information(terms.max_pdu),
        *_window(proposal.operations_window, terms.operations_window),
        *map(_as_scp, turned),
        *(_options(uid, options) for uid, options in extended.items()),
    ]
    contexts = {
        context.context_id: (str(context.abstract_syntax), str(context.transfer_syntax[0]))
        for context in results
        if context.result == 0 and context.context_id is not None
    }
    return Agreement(contexts, bytes(A_ASSOCIATE_AC(accept).encode()), extended)


def _result(proposed: PresentationContext, supported: Mapping[str, Sequence[str]]) -> PresentationContext:
    abstract_syntax = str(proposed.abstract_syntax)
    ours: list[PresentationContext] = []
    if offered := supported.get(abstract_syntax):
        common: list[str | UID] = [syntax for syntax in proposed.transfer_syntax if syntax in offered]
        ours = [build_context(abstract_syntax, common or list(offered))]
    results, _ = negotiate_as_acceptor([proposed], ours)
    return results[0]


def user_information(max_pdu: int) -> list[Any]:
    """What both sides say of themselves: longest PDU, implementation (PS3.7 D.3.3)."""
    length = MaximumLengthNotification()
    length.maximum_length_received = max_pdu
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return [length, implementation, version]


def _window(asked: int | None, ours: int) -> Iterator[AsynchronousOperationsWindowNegotiation]:
    """Told only where it was asked for; without, it is 1 and 1."""
    if asked is not None:
        item = AsynchronousOperationsWindowNegotiation()
        item.maximum_number_operations_invoked = min(asked or ours, ours)
        item.maximum_number_operations_performed = 1  # we invoke one at a time
        yield item


def _as_scp(sop_class: str) -> SCP_SCU_RoleSelectionNegotiation:
    """The requestor is SCP of this class, and we are its SCU."""
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid = UID(sop_class)
    role.scu_role, role.scp_role = False, True
    return role


def _options(sop_class: str, options: bytes) -> SOPClassExtendedNegotiation:
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = UID(sop_class)
    item.service_class_application_information = options
    return item
