"""Packs: plain tar files of instances, written by `ingest`, and what can be read out of them again."""
