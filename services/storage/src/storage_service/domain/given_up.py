"""What could not be done without a person, and what the person said: facts of `operator-events`."""

from dataclasses import dataclass

from fj_events import WorkGivenUp, WorkKind, WorkSettled, WorkSettledAs

from storage_service.domain.rejection import Note
from storage_service.domain.routing import SendKind

ROOM = "storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Something that this room does without being asked."""

    kind: WorkKind
    number: str
    """Which of its kind."""
    site: str
    address: str
    destination: str | None = None
    study_instance_uid: str | None = None

    @property
    def work_id(self) -> str:
        """By which its facts are kept in order."""
        return f"{ROOM}.{self.kind}.{self.number}"

    def given_up(self, reason: str) -> WorkGivenUp:
        """A person has to look. `reason` is free of PHI."""
        return WorkGivenUp(
            site=self.site,
            work_id=self.work_id,
            room=ROOM,
            kind=self.kind,
            destination=self.destination,
            about=self.study_instance_uid,
            reason=reason,
            address=self.address,
        )

    def settled(self, settled_as: WorkSettledAs, actor: str | None, reason: str | None) -> WorkSettled:
        """Nobody has to look (any more)."""
        return WorkSettled(
            site=self.site,
            actor=actor,
            work_id=self.work_id,
            room=ROOM,
            kind=self.kind,
            settled_as=settled_as,
            reason=reason,
        )


def of_send(send_id: int, kind: SendKind, destination: str, study_instance_uid: str, site: str) -> Work:
    """A study on its way to a destination, or the news of it."""
    return Work(
        kind=WorkKind.IMAGES if kind is SendKind.INSTANCES else WorkKind.AVAILABILITY,
        number=str(send_id),
        site=site,
        address=f"/api/{ROOM}/sends/{send_id}",
        destination=destination,
        study_instance_uid=study_instance_uid,
    )


def of_commitment(transaction_uid: str, calling_ae_title: str, site: str) -> Work:
    """The result of a storage commitment request, on its way to who asked."""
    return Work(
        kind=WorkKind.COMMITMENT,
        number=transaction_uid,
        site=site,
        address=f"/api/{ROOM}/commitments/{transaction_uid}",
        destination=calling_ae_title,
    )


def of_note(note: Note) -> Work:
    """A document that may reject images."""
    place = note.place
    return Work(
        kind=WorkKind.REJECTION_NOTE,
        number=f"{place.series_instance_uid}/{place.sop_instance_uid}",
        site=note.site,
        address=f"/api/{ROOM}/notes/{place.study_instance_uid}/{place.series_instance_uid}/{place.sop_instance_uid}",
        study_instance_uid=place.study_instance_uid,
    )


def of_second_look(study_instance_uid: str, site: str) -> Work:
    """A study that is to be compared once more with what is known of patient and order."""
    return Work(
        kind=WorkKind.SECOND_LOOK,
        number=study_instance_uid,
        site=site,
        address=f"/api/{ROOM}/studies/{study_instance_uid}/second-look",
        study_instance_uid=study_instance_uid,
    )
