"""Ours: the very function that the Lambda calls."""

from infra.planner.plan import plan

__all__ = ["plan"]
