"""
What a device gets when its artifact can't be had: the one place that decides.

====================================  =====================  =====================  ==============
what is wrong                         to a first request     to a resumed one       amid the bytes
====================================  =====================  =====================  ==============
store unreachable, broken off,        held, then closed      held, then closed      held, then cut
stalled, 408, 425, 429, 5xx
link refused (400, 401, 403)          held for a fresher     held for a fresher     held for one,
                                      link, then the status  link, then closed      or till it is
                                                                                    taken again,
                                                                                    then cut
nothing there (404, 410)              the status             the status             cut
any other error of the store          the status             closed                 cut
another object there now              the new one            closed, if what was    cut
                                                             begun may be the old
wrong bytes (checksum)                held for the right     held for the right     cut before the
                                      ones, then closed      ones, then closed      last byte
our disk full or broken               from the store         from the store         from the store
we stop                               served to the limit    served to the limit    cut at the limit
====================================  =====================  =====================  ==============

*Held* means that the device waits, for its headers or for its next bytes, while the download goes
on trying. What stands behind this are three kinds of clients, as measured and read:

* *mender-update* 4 and 5 (C++). As a first answer anything but 200 (302, 403, 404, 416, 429, 5xx)
  fails the deployment for good, and so does every answer to a resumed request without exactly the
  right ``Content-Range``. A connection that is refused or closed before the headers is tried again
  every minute, ten times by default. It waits for headers without limit, and for the next byte of
  a body for five minutes, after which it resumes by itself.
* *mender* 3 (Go). Any error answer, first or resumed, is tried again after a minute: four times in
  all for the first, three at its longest pause for resumed ones. Closed connections likewise.
* *mender-mcu*. Three tries half a second apart and sixty seconds for each; then its next poll.

So to hold costs no client anything, to close costs one try, and a status may cost the deployment:
it is only for what will not get better by itself.
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
        # It passes: they held as long as they may, and the C++ client would give up for good
        # at any status. The same when the artifact changed: the next poll brings the new one.
        return None
    if resumed and error.status not in FINAL:
        # The link expired meanwhile. The next poll of any device brings a fresh one, and the
        # download goes on; a status now would have the C++ client throw away what it has.
        return None
    # What is no error at all to HTTP is none of the answers that a store may give.
    return error.status if 400 <= error.status < 500 else 502
