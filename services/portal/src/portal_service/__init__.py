"""The web pages, and the projection that answers where an exam is."""
