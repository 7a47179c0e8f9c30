"""Simulators: an EHR, a modality, a dictation system; and the demo."""
