"""What can go wrong with an object, by what the caller can do about it."""


class ObjectError(Exception):
    """Base of all errors of the object store."""


class NoSuchObject(ObjectError):
    """The key names nothing. Asking again does not help."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object named {key}")
        self.key = key


class ObjectConflict(ObjectError):
    """The key is taken by other bytes than ours; objects are never overwritten."""

    def __init__(self, key: str, ours: str, theirs: str) -> None:
        super().__init__(f"object {key}: ours is {ours}, stored is {theirs}")
        self.key = key


class StoreUnavailable(ObjectError):
    """The store did not answer, or refused for a reason of its own. Trying later may help."""

    def __init__(self, key: str, reason: BaseException) -> None:
        # The client's own text quotes whole answers of the server: its first line says enough.
        first_line = str(reason).partition("\n")[0][:300]
        super().__init__(f"object store failed on {key}: {type(reason).__name__}: {first_line}")
        self.key = key
