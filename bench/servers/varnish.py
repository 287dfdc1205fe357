"""Varnish, which keeps artifacts in memory and speaks no TLS, neither to devices nor stores."""

from __future__ import annotations

from bench.network import GATEWAY_ADDRESS, ORIGIN_ADDRESS
from bench.origin import ARTIFACT
from bench.servers import Server, Site

_CONFIGURATION = """\
vcl 4.1;
backend origin {{ .host = "{origin}"; .port = "80"; }}
sub vcl_recv {{
  if (req.url != "{artifact}") {{ return (pass); }}
  return (hash);
}}
"""


def _configure(site: Site) -> list[str]:
    text = _CONFIGURATION.format(origin=ORIGIN_ADDRESS, artifact=ARTIFACT)
    configuration = str(site.write("artifacts.vcl", text))
    command = ["varnishd", "-F", "-n", str(site.directory), "-f", configuration]
    return [*command, "-a", f"{GATEWAY_ADDRESS}:80", "-s", "malloc,1G", "-j", "none"]


VARNISH = Server(
    "varnish",
    "varnishd",
    _configure,
    artifacts=frozenset({"plain"}),
    api=frozenset({"plain"}),
    version_flag="-V",
)
