"""What an operator can do something about; the message says what."""


class StackError(RuntimeError):
    """The stack cannot do what was asked for."""


class BadOffset(StackError):
    """`FJ_PORT_OFFSET` is not a number from 0 to 12000."""


class NoFreePorts(StackError):
    """Every block of ports for tests is claimed by a running process."""


class MissingPackages(StackError):
    """Packages are missing and we are not root; the message is the line to run."""


class NoUserForPostgres(StackError):
    """We are root, which PostgreSQL refuses, and no other user can be had."""


class StartFailed(StackError):
    """A program did not become ready; the message ends with the last lines of its log."""


class PortTaken(StartFailed):
    """Another program listens where this one must."""


class NotOurs(StackError):
    """A process to end, or a file to remove, belongs to another user."""


class NotInstalled(StackError):
    """A command that comes with a Python package is not in this environment."""
