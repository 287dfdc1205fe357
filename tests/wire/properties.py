"""How Hypothesis runs here: no deadlines on slow machines, nothing left on the disk."""

from hypothesis import settings

examples = settings(deadline=None, database=None, max_examples=100)
"""To decorate each ``@given`` test with."""
