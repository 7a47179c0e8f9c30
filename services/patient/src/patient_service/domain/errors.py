"""What cannot be done with a patient, and why. No message carries a number or a name."""


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


class NotMoved(PatientError):
    """There is no move that could be undone."""

    def __init__(self) -> None:
        super().__init__("all moves of the visit or account are undone")


class SameNumber(PatientError):
    """A number is not another one."""

    def __init__(self) -> None:
        super().__init__("the number is the same as before")


class NotRenumbered(PatientError):
    """There is no other number that could be undone."""

    def __init__(self) -> None:
        super().__init__("the visit or account has the number that it always had, or again")
