"""Strikes a fleet of real processes while clients ask it, and counts what they lost (docs/chaos.md)."""
