"""All servers that are measured, in the order of the tables."""

from __future__ import annotations

from bench.servers.caddy import CADDY
from bench.servers.gateway import GATEWAY
from bench.servers.haproxy import HAPROXY
from bench.servers.nginx import NGINX, NGINX_LOCK, NGINX_SLICE
from bench.servers.trafficserver import TRAFFICSERVER
from bench.servers.varnish import VARNISH

SERVERS = (GATEWAY, NGINX, NGINX_LOCK, NGINX_SLICE, VARNISH, TRAFFICSERVER, HAPROXY, CADDY)
QUICK_SERVERS = (GATEWAY, NGINX)
