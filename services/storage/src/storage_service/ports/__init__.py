"""What the handlers need, one module per subject."""
