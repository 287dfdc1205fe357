"""HAProxy, for the device API: its cache takes no object of an artifact's size."""

from __future__ import annotations

from bench.network import GATEWAY_ADDRESS, ORIGIN_ADDRESS
from bench.origin import ORIGIN_NAME
from bench.servers import Server, Site

_CONFIGURATION = """\
global
  nbthread 1
  maxconn 8192
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend devices
  bind {address}:80
  bind {address}:443 ssl crt {pem} {mutual}
  default_backend origin
backend origin
  server origin {origin}:443 ssl verify required ca-file {ca} sni str({name}) verifyhost {name}
"""


def _configure(site: Site) -> list[str]:
    pem = site.write("gateway.pem", site.certificate.read_text() + site.key.read_text())
    text = _CONFIGURATION.format(
        address=GATEWAY_ADDRESS,
        origin=ORIGIN_ADDRESS,
        name=ORIGIN_NAME,
        pem=pem,
        ca=site.ca,
        mutual=f"verify required ca-file {site.ca}" if site.mutual else "",
    )
    return ["haproxy", "-db", "-f", str(site.write("haproxy.cfg", text))]


HAPROXY = Server("haproxy", "haproxy", _configure, api=frozenset({"plain", "tls", "mutual"}))
