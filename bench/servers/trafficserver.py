"""Apache Traffic Server, with what its manual has against many requests for one new object."""

from __future__ import annotations

from bench.network import ORIGIN_ADDRESS
from bench.origin import ORIGIN_NAME
from bench.servers import Server, Site

_LAYOUT = """\
prefix: {directory}
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
libdir: /usr/lib
libexecdir: /usr/lib/trafficserver/modules
sysconfdir: {directory}/etc
datadir: {directory}/cache
cachedir: {directory}/cache
localstatedir: {directory}/run
runtimedir: {directory}/run
logdir: {directory}/log
"""
_RECORDS = """\
CONFIG proxy.config.http.server_ports STRING 80 443:ssl
CONFIG proxy.config.admin.user_id STRING #-1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.hostdb.host_file.path STRING {directory}/etc/hosts
CONFIG proxy.config.ssl.server.cert.path STRING {certificates}
CONFIG proxy.config.ssl.server.private_key.path STRING {certificates}
CONFIG proxy.config.ssl.client.CA.cert.path STRING {certificates}
CONFIG proxy.config.ssl.client.CA.cert.filename STRING ca.pem
CONFIG proxy.config.ssl.client.verify.server.policy STRING ENFORCED
CONFIG proxy.config.ssl.CA.cert.path STRING {certificates}
CONFIG proxy.config.ssl.CA.cert.filename STRING ca.pem
CONFIG proxy.config.ssl.client.certification_level INT {certification}
CONFIG proxy.config.http.auth_server_session_private INT 0
CONFIG proxy.config.http.cache.required_headers INT 0
CONFIG proxy.config.cache.enable_read_while_writer INT 1
CONFIG proxy.config.http.background_fill_active_timeout INT 0
CONFIG proxy.config.http.background_fill_completed_threshold FLOAT 0.000000
CONFIG proxy.config.http.cache.max_open_read_retries INT 5
CONFIG proxy.config.http.cache.open_read_retry_time INT 100
"""
_EVERYBODY = """\
ip_allow:
  - apply: in
    ip_addrs: 0/0
    action: allow
    methods: ALL
"""


def _configure(site: Site) -> list[str]:
    directory = site.directory
    for name in ("cache", "run", "log"):
        (directory / name).mkdir()
    records = _RECORDS.format(
        directory=directory, certificates=site.certificates, certification=2 * site.mutual
    )
    certificate = "dest_ip=* ssl_cert_name=gateway/certificate.pem ssl_key_name=gateway/key.pem\n"
    site.write("etc/records.config", records)
    site.write("etc/ssl_multicert.config", certificate)
    site.write("etc/storage.config", f"{directory}/cache 1G\n")
    site.write("etc/remap.config", f"map / https://{ORIGIN_NAME}/\n")
    site.write("etc/hosts", f"{ORIGIN_ADDRESS} {ORIGIN_NAME}\n")
    site.write("etc/ip_allow.yaml", _EVERYBODY)
    layout = site.write("runroot.yaml", _LAYOUT.format(directory=directory))
    return ["traffic_server", f"--run-root={layout}"]


TRAFFICSERVER = Server(
    "trafficserver",
    "traffic_server",
    _configure,
    artifacts=frozenset({"plain", "tls"}),
    api=frozenset({"plain", "tls", "mutual"}),
    version_flag="-V",
)
