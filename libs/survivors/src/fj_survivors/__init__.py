"""Whose a patient number is, in the database of every room."""

from fj_survivors.following import TABLE, Moved, follow
from fj_survivors.visits import follow_visit

__all__ = ["TABLE", "Moved", "follow", "follow_visit"]
