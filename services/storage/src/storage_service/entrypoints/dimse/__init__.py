"""The query/retrieve services over DIMSE (PS3.4 Annex C)."""
