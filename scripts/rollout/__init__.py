"""Rolls a model version out in waves: decision.py decides from what was seen, drive.py looks and acts."""
