"""Caddy, for the device API: Go's ``ReverseProxy``, as the official gateway is built on."""

from __future__ import annotations

from bench.network import GATEWAY_ADDRESS, ORIGIN_ADDRESS
from bench.origin import ORIGIN_NAME
from bench.servers import Server, Site

_CONFIGURATION = """\
{{
  admin off
  auto_https off
  persist_config off
  servers {{
    protocols h1
    strict_sni_host insecure_off
  }}
}}
(proxy) {{
  log {{
    output file {directory}/access.log
  }}
  reverse_proxy https://{origin}:443 {{
    transport http {{
      versions 1.1
      tls_server_name {name}
      tls_trust_pool file {ca}
    }}
  }}
}}
http://{address}:80 {{
  import proxy
}}
https://{address}:443 {{
  tls {certificate} {key} {{
    protocols tls1.2 tls1.3
    {mutual}
  }}
  import proxy
}}
"""
_MUTUAL = """\
client_auth {{
      mode require_and_verify
      trust_pool file {ca}
    }}
"""


def _configure(site: Site) -> list[str]:
    text = _CONFIGURATION.format(
        address=GATEWAY_ADDRESS,
        origin=ORIGIN_ADDRESS,
        name=ORIGIN_NAME,
        certificate=site.certificate,
        key=site.key,
        ca=site.ca,
        directory=site.directory,
        mutual=_MUTUAL.format(ca=site.ca) if site.mutual else "",
    )
    home = f"HOME={site.directory}"
    configuration = str(site.write("Caddyfile", text))
    program = CADDY.path or CADDY.program
    return ["env", home, program, "run", "--config", configuration, "--adapter", "caddyfile"]


CADDY = Server(
    "caddy",
    "caddy",
    _configure,
    api=frozenset({"plain", "tls", "mutual"}),
    version_flag="version",
)
