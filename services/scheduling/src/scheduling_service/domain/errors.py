"""What scheduling refuses, and why. No message carries a value that a device or a feed sent."""


class SchedulingError(Exception):
    """A rule of scheduling was not met; nothing has changed."""


class NoSuchExam(SchedulingError):
    """There is no exam with this key."""

    def __init__(self) -> None:
        super().__init__("there is no such exam")


class NotPossible(SchedulingError):
    """The exam is not in a state in which this can be done."""

    def __init__(self, act: str, state: str) -> None:
        super().__init__(f"an exam that is {state} cannot be {act}")


class NotFree(SchedulingError):
    """The station is closed, blocked or booked at that time."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the station is {why} at that time")


class NotWaiting(SchedulingError):
    """Somebody has said which order an appointment is for, or that nothing is to be done."""

    def __init__(self) -> None:
        super().__init__("no appointment without an order waits under this number")


class OtherPatient(SchedulingError):
    """An appointment is for the patient whom its scheduling system names."""

    def __init__(self) -> None:
        super().__init__("the order is of another patient than the appointment")


class NoSuchStation(SchedulingError):
    """The site has no such station for any step of the exam."""

    def __init__(self) -> None:
        super().__init__("the site has no such station for this exam")


class NoSuchProcedure(SchedulingError):
    """The catalogue has no procedure with this code."""

    def __init__(self) -> None:
        super().__init__("there is no such procedure in the catalogue")


class BadRange(SchedulingError):
    """A date, a time or a range of them that PS3.5 does not know."""


class DuplicateInstance(SchedulingError):
    """A performed procedure step with this SOP Instance UID exists (PS3.7 C.5.7)."""

    def __init__(self) -> None:
        super().__init__("a performed procedure step with this UID exists already")


class UnknownInstance(SchedulingError):
    """There is no performed procedure step with this SOP Instance UID (PS3.7 C.5.16)."""

    def __init__(self) -> None:
        super().__init__("there is no performed procedure step with this UID")


class NoLongerUpdatable(SchedulingError):
    """The performed procedure step is completed or discontinued (PS3.4 F.7.2.2.3, Table F.7.2-2)."""

    def __init__(self) -> None:
        super().__init__("Performed Procedure Step Object may no longer be updated")


class NoSeries(SchedulingError):
    """A completed performed procedure step has at least one series (PS3.4 Table F.7.2-1, note 2)."""

    def __init__(self) -> None:
        super().__init__("Performed Series Sequence is empty at completion")
