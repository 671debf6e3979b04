"""How property-based tests run: the same examples each time; with ``long``, many and others.

pytest --hypothesis-profile=long tests/unit/documents tests/hostile
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# no deadlines: how long an example takes says something about the computer
_SHARED = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.register_profile("short", _SHARED, derandomize=True)
settings.register_profile("long", _SHARED, max_examples=5000)
settings.load_profile("short")
