"""What reporting refuses."""


class ReportError(Exception):
    """A wish that cannot be granted; nothing has changed."""


class NoSuchExam(ReportError):
    """Nothing is known of this exam: no order, no study."""

    def __init__(self, exam_key: str) -> None:
        super().__init__(f"no exam has the key {exam_key}")


class NotPossible(ReportError):
    """The report's state does not allow it."""

    def __init__(self, status: str, wish: str) -> None:
        super().__init__(f"the report is {status}: {wish} is not possible")


class NotThere(ReportError):
    """The report of an exam turned out to be another one's."""

    def __init__(self) -> None:
        super().__init__("the report was given out, and is another exam's since")


class Unconfirmed(ReportError):
    """The images show somebody else than the order of their number is for."""

    def __init__(self) -> None:
        super().__init__("nobody has said yet whose images these are: what is read of them cannot be given out")


class NothingToSign(ReportError):
    """There is no draft and no text."""

    def __init__(self) -> None:
        super().__init__("there is no draft and no text to sign")
