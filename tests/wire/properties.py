"""
How Hypothesis runs here: the same examples each time, no deadlines, nothing left on the disk.

To look further: ``EXAMPLES=10000 python -m twisted.trial tests.cache.test_properties``.
"""

import os

from hypothesis import settings

_MORE = os.environ.get("EXAMPLES")

examples = settings(
    deadline=None,
    database=None,
    max_examples=int(_MORE or 100),
    derandomize=_MORE is None,
)
"""To decorate each ``@given`` test with."""
