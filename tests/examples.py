"""How many examples a property has that asks a server in each."""

from hypothesis import HealthCheck, settings

LONG_LANE: bool = settings.default.max_examples > 1_000
"""Whether the long lane runs."""

AGAINST_SERVERS: settings = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300 if LONG_LANE else 20
)
"""For what is tried in each lane against the same server."""
