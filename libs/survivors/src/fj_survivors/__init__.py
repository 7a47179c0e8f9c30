"""Whose a patient number is, in the database of every room."""

from fj_survivors.following import TABLE, Former, Moved, follow
from fj_survivors.visits import follow_visit

__all__ = ["TABLE", "Former", "Moved", "follow", "follow_visit"]
