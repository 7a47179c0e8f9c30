"""SQL of the ledger, forward only."""
