"""How many examples the property tests try."""

from hypothesis import HealthCheck, settings
from running_support import SANITIZED

EXAMPLES = settings(
    deadline=None,
    max_examples=25 if SANITIZED else 100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
