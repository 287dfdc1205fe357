"""
Secrets in text that nobody composed with care, such as a traceback.

What this gateway writes about links, tokens and keys leaves the secret parts out to begin with.
But an exception of somebody else's may quote whatever it was given, and it ends in the log. So
each line passes here, but for those of requests, which are made of checked pieces only.
"""

from __future__ import annotations

import re
from collections.abc import Callable

HIDDEN = "[hidden]"


# To let expressions look for the last @, or for a question mark that does not come, would take them
# through the same text again and again.


def _without_user(url: re.Match[str]) -> str:
    _, has_user, rest = url[0].rpartition("@")
    return f"{HIDDEN}@{rest}" if has_user else url[0]


def _without_query(url: re.Match[str]) -> str:
    path, _, query = url[0].partition("?")
    return f"{path}?{HIDDEN}" if query else url[0]


_SECRETS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # A private key, and what is left of one.
    (
        re.compile(
            r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.*?(?:-----END \1PRIVATE KEY-----|\Z)", re.S
        ),
        HIDDEN,
    ),
    # The user and password of a URL; a password may hold what looks like the end of its host.
    (re.compile(r"(?<=://)[^\s\"'<>]+"), _without_user),
    # The query of a URL: presigned links have their signature there, and local ones too.
    (re.compile(r"(?:https?://|/artifacts/)[^\s\"'<>]+"), _without_query),
    # Tokens and passwords, with the word before them. That hides a harmless word at times, as no
    # rule for what can't be a token would be safe.
    (re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}", re.I), rf"\1 {HIDDEN}"),
    # A token by itself: three parts in base64url, of which the first is a JSON object.
    (re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"), HIDDEN),
)


def redacted(text: str) -> str:
    """Give a text without what looks like a secret."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text
