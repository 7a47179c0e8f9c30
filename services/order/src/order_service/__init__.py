"""Imaging orders, accession numbers, the life of an order."""
