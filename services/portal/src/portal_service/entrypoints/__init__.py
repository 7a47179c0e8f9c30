"""The doors: parse, call, show. No decisions."""
