"""Whose a patient number is, and which numbers are one person's, in the database of every room."""

from fj_survivors.following import TABLE, Former, Moved, follow
from fj_survivors.persons import PERSON, Joined, follow_links
from fj_survivors.visits import follow_visit

__all__ = ["PERSON", "TABLE", "Former", "Joined", "Moved", "follow", "follow_links", "follow_visit"]
