"""
What a device gets when its artifact can't be had: the one place that decides.

Three kinds of clients stand behind these rules:

* *mender-update* 4 and 5 (C++): any error status fails the deployment for good, to a first
  request as well as to a resumed one; a connection refused or closed is tried again every
  minute, ten times by default.
* *mender* 3 (Go): an error status to the first request is tried again after a minute, four
  times; one to a resumed request is tried again too.
* *mender-mcu*: three tries within two seconds, then the next poll.

So a status is only for what will not get better by itself; all else is a closed connection.
"""

from __future__ import annotations

from menderproxy.cache.errors import ArtifactRefused

FINAL = frozenset({404, 410, 416})
"""No fresher link and no waiting changes these."""


def status_for(error: Exception, *, resumed: bool) -> int | None:
    """
    The status to answer with before the first byte, or ``None`` to close the connection.

    After the first byte there is no choice: the connection is cut.

    :param error: why the artifact can't be had.
    :param resumed: whether the device asks for the rest of what it has a part of.
    """
    if not isinstance(error, ArtifactRefused):
        # The store can't be reached, or breaks off, or the gateway is shutting down: it
        # passes. The same when the artifact changed: the next poll brings the new one.
        return None
    if resumed and error.status not in FINAL:
        # The link expired meanwhile. The next poll of any device brings a fresh one, and the
        # download goes on; an error status now would throw away what the device has.
        return None
    # What is no error at all to HTTP is none of the answers that a store may give.
    return error.status if 400 <= error.status < 500 else 502
