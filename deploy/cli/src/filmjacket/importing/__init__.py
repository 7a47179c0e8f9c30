"""Bringing a legacy archive in: files and zips through STOW-RS."""
