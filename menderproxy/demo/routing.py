"""Which path is answered by what."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs
from twisted.web import http

from menderproxy.demo.problem import Problem


@attrs.frozen
class Route:
    """
    A path and the methods it knows.

    :param name: of what answers.
    :param path: matches all of a raw path; its named groups are what the answer depends on.
    """

    name: str
    methods: frozenset[str]
    path: re.Pattern[str]


def find_route(routes: Iterable[Route], method: str, path: str) -> tuple[Route, dict[str, str]]:
    """
    Find the route of a request, and what its path says.

    :raises Problem: 404 for a path that no route has, 405 for a method that its route hasn't.
    """
    for route in routes:
        match = route.path.fullmatch(path)
        if match is not None:
            if method not in route.methods:
                raise Problem(http.NOT_ALLOWED, "method not allowed")
            return route, match.groupdict()
    raise Problem(http.NOT_FOUND, "not found")
