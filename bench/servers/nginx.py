"""nginx, with three ways of keeping many devices from asking the store for the same thing."""

from __future__ import annotations

from functools import partial

from bench.network import GATEWAY_ADDRESS, ORIGIN_ADDRESS
from bench.origin import ARTIFACT, ORIGIN_NAME
from bench.servers import Server, Site

_CONFIGURATION = """\
daemon off;
user root;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
worker_processes 1;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
  access_log {directory}/access.log;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  proxy_cache_path {directory}/cache levels=1:2 keys_zone=artifacts:10m max_size=4g inactive=1d
                   use_temp_path=off;
  upstream origin {{ server {origin}:443; keepalive 32; keepalive_requests 1000000; }}
  server {{
    listen {address}:80 backlog=4096;
    listen {address}:443 ssl backlog=4096;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    ssl_session_cache shared:devices:10m;
    {mutual}
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_ssl_trusted_certificate {ca};
    proxy_ssl_verify on;
    proxy_ssl_name {name};
    location / {{ proxy_pass https://origin; }}
    location {artifact} {{
      proxy_pass https://origin;
      proxy_cache artifacts;
      proxy_cache_valid 200 206 1d;
      proxy_cache_lock on;
      {sharing}
    }}
  }}
}}
"""
_LONG_LOCK = "proxy_cache_lock_timeout 1h; proxy_cache_lock_age 1h;"
_SLICE = (
    f"slice 1m; proxy_cache_key $uri$slice_range; proxy_set_header Range $slice_range;{_LONG_LOCK}"
)


def _configure(site: Site, sharing: str) -> list[str]:
    mutual = f"ssl_verify_client on; ssl_client_certificate {site.ca};" if site.mutual else ""
    text = _CONFIGURATION.format(
        directory=site.directory,
        address=GATEWAY_ADDRESS,
        origin=ORIGIN_ADDRESS,
        name=ORIGIN_NAME,
        certificate=site.certificate,
        key=site.key,
        ca=site.ca,
        artifact=ARTIFACT,
        mutual=mutual,
        sharing=sharing,
    )
    configuration = str(site.write("nginx.conf", text))
    return ["nginx", "-c", configuration, "-e", str(site.directory / "error.log")]


_ANY = frozenset({"plain", "tls"})

NGINX = Server(
    "nginx", "nginx", partial(_configure, sharing=""), artifacts=_ANY, api=_ANY | {"mutual"}
)
"""The lock as it is by default: devices wait five seconds for each other."""

NGINX_LOCK = Server(
    "nginx, long lock", "nginx", partial(_configure, sharing=_LONG_LOCK), artifacts=_ANY
)
"""Devices wait for each other as long as it takes."""

NGINX_SLICE = Server("nginx, slices", "nginx", partial(_configure, sharing=_SLICE), artifacts=_ANY)
"""Artifacts are fetched, and waited for, in pieces of 1 MiB."""
