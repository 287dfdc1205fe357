"""Where the numbers are."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from menderproxy.cache.artifacts import ArtifactCache
from menderproxy.listen.refusal import Reason
from menderproxy.listen.reload import Reload
from menderproxy.ops.tally import Tally
from menderproxy.upstream.agent import Agent
from menderproxy.upstream.preauthorization import Decision
from menderproxy.web.relink import Relinker
from menderproxy.web.site import GatewaySite


@attrs.frozen(kw_only=True)
class Sources:
    """
    The parts of a gateway that count what they do.

    :param reasons: for which devices were not let in.
    :param decisions: about devices that asked for a token.
    :param tunnels: how many are open.
    :param api: for the Mender Server.
    :param store: for the artifact stores, and
    :param relinker: for the links to them; ``None`` without the artifacts proxy.
    :param cache: ``None`` when it is off.
    :param reload: ``None`` without HTTPS.
    """

    site: GatewaySite
    reasons: Tally[Reason]
    decisions: Tally[Decision]
    tunnels: Callable[[], int]
    api: Agent
    store: Agent | None
    relinker: Relinker | None
    cache: ArtifactCache | None
    reload: Reload | None
