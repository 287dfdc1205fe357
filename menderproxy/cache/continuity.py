"""Whether a store's answer goes on where we stopped: the one place that decides (pure)."""

from __future__ import annotations

import enum

from menderproxy.wire.remote import RemoteObject

# 400 is what S3 says when the temporary credentials behind a link have expired.
LINK_REFUSED = frozenset({400, 401, 403})
WORTH_WAITING = frozenset({408, 421, 425, 429})


class Verdict(enum.Enum):
    """What an answer means for a download."""

    BEGIN = "the first bytes of the object"
    CONTINUE = "the bytes that follow those we have"
    ANEW = "the first bytes of an object that replaces the one we have a part of"
    CHANGED = "what we have a part of is no more; ask again from the start"
    LINK_REFUSED = "this link is not good (any more); another one may be"
    REFUSED = "no, and no again if asked again"
    BUSY = "not now"


def judge(held: RemoteObject | None, offset: int, answer: RemoteObject) -> Verdict:
    """
    Judge an answer to a request for everything from *offset* on.

    Neither status nor ``If-Range`` can be trusted for this: some stores answer 206 to an
    ``If-Range`` with the wrong tag. So total length and validators are compared here.

    :param held: how the store described the object that the first *offset* bytes are of.
    """
    if answer.status == 200:
        if held is None:
            return Verdict.BEGIN
        return Verdict.CONTINUE if offset == 0 and held.same_object(answer) else Verdict.ANEW
    if answer.status == 206:
        goes_on = held is not None and answer.first == offset and held.same_object(answer)
        return Verdict.CONTINUE if goes_on and offset else Verdict.CHANGED
    if answer.status == 416 and offset:
        return Verdict.CHANGED
    if answer.status in LINK_REFUSED:
        return Verdict.LINK_REFUSED
    if answer.status in WORTH_WAITING or answer.status >= 500:
        return Verdict.BUSY
    return Verdict.REFUSED
