"""The doors: parse, call a handler, reply. No decisions."""
