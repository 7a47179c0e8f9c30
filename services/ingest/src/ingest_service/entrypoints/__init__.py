"""The doors: DIMSE, HTTP, and the loop that ships what the journal holds."""
