"""Receives pixels: journal, packs, instance facts."""
