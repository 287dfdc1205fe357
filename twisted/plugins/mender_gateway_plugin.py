"""The twistd plugin: ``twistd mender-gateway``. It may import nothing but ``ServiceMaker``."""

from twisted.application.service import ServiceMaker

mender_gateway = ServiceMaker(
    "Mender Gateway",
    "menderproxy.tap",
    "Over-the-air updates for devices that must not touch the Internet.",
    "mender-gateway",
)
