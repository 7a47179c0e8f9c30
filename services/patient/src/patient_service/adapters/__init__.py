"""Where patients are kept."""
