"""What was explored in this run, one line each."""

TOLD: list[str] = []


def tell(line: str) -> None:
    """Keeps a line for the end of the run."""
    TOLD.append(line)
