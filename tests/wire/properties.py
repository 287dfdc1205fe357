"""
How Hypothesis runs here: the same examples each time, no deadlines, nothing left on the disk.

Nor is it a failure when a busy machine takes long to make up the examples.

To look further: ``EXAMPLES=10000 python -m twisted.trial tests.cache.test_properties``.
"""

import os

from hypothesis import HealthCheck, settings

_MORE = os.environ.get("EXAMPLES")

examples = settings(
    deadline=None,
    database=None,
    max_examples=int(_MORE or 100),
    derandomize=_MORE is None,
    suppress_health_check=[HealthCheck.too_slow],
)
"""To decorate each ``@given`` test with."""
