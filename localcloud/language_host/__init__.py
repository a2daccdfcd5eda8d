"""A stand-in for Pulumi's language host for Python: runs programs and policy packs under a CLI that has none.

For the local cloud only; with the official CLI its own language host is used.
"""
