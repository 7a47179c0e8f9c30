"""Errors whose text is meant for operators."""

from typing import ClassVar


class OperatorError(Exception):
    """What an operator must read to put things right. Its text holds no value from a patient, a message or an image.

    The log prints the text of exceptions that say `phi_free`, and of no other one. Libraries that do not import this
    one may set the same attribute on their own errors.
    """

    phi_free: ClassVar[bool] = True


class SettingsError(OperatorError):
    """The environment or a file that it names does not fit. One line per wrong setting."""


class NotReachable(OperatorError):
    """A server that this process needs did not answer in the time that it was given."""


class SchemaTooOld(OperatorError):
    """The database lacks migrations that this version of the code relies on."""


class MigrationRefused(OperatorError):
    """The packaged migrations and what the database has recorded contradict each other, or a file failed."""


class PartFailed(OperatorError):
    """A part of the process raised, or ended before it was told to."""
