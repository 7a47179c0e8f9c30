"""The journal on the local disk, the digests in PostgreSQL."""
