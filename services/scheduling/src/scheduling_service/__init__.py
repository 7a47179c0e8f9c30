"""Procedure catalogue, scheduled procedure steps, worklist and MPPS."""
