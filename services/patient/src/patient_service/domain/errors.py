"""What cannot be done with a patient, and why. No message carries a number or a name."""

from uuid import UUID


class PatientError(Exception):
    """A wish that cannot be granted; nothing has changed."""


class NoSuchPatient(PatientError):
    """Nobody has spoken of this patient."""

    def __init__(self) -> None:
        super().__init__("there is no such patient")


class NotMerged(PatientError):
    """There is no merge that could be undone."""

    def __init__(self) -> None:
        super().__init__("the number is not merged into another one")


class SamePatient(PatientError):
    """A patient is no pair."""

    def __init__(self) -> None:
        super().__init__("both numbers are the same")


class NotSuspected(PatientError):
    """Nobody was asked about this pair, or somebody has answered."""

    def __init__(self) -> None:
        super().__init__("nobody has to look at these two: they were never suspected, or there is an answer")


class NoSuchVisit(PatientError):
    """Nobody has moved this visit or account."""

    def __init__(self) -> None:
        super().__init__("there is no such visit or account")


class NoSuchStatement(PatientError):
    """Nobody has said that of this visit or account."""

    def __init__(self) -> None:
        super().__init__("there is no such statement about the visit or account")


class NotTheLast(PatientError):
    """A statement that was made before another one that counts."""

    def __init__(self, last_id: UUID) -> None:
        super().__init__("another statement about the visit or account counts: undo that one first")
        self.last_id = last_id


class SameNumber(PatientError):
    """A number is not another one."""

    def __init__(self) -> None:
        super().__init__("the number is the same as before")
