"""One figure out of an engine's /metrics page."""


def value(exposition: str, name: str) -> float | None:
    """The sum over all label sets of a metric; None where it is not there."""
    found = [line.rpartition(" ")[2] for line in exposition.splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
    return sum(map(float, found)) if found else None
