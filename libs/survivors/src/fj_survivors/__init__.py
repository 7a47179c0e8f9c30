"""Whose a patient number is, in the database of every room."""

from fj_survivors.following import TABLE, Moved, follow

__all__ = ["TABLE", "Moved", "follow"]
