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


class GivenAway(PatientError):
    """Which of two persons the records are is no longer for one click to say."""

    def __init__(self) -> None:
        super().__init__("the number was given to somebody else since the merge, which stays")


class SamePatient(PatientError):
    """A patient is no pair."""

    def __init__(self) -> None:
        super().__init__("both numbers are the same")


class NotSuspected(PatientError):
    """Nobody was asked about this pair, or somebody has answered."""

    def __init__(self) -> None:
        super().__init__("nobody has to look at these two: they were never suspected, or there is an answer")


class ExamsStay(PatientError):
    """Visits and accounts are not held here; exams go with the number of their order."""

    def __init__(self) -> None:
        super().__init__(
            "exams are not moved by visit or account: change their orders (ORC-1 XO), or merge the patients (A40)"
        )
