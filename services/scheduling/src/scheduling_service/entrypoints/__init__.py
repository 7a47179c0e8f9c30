"""The doors of `scheduling`: parse, call, reply."""
