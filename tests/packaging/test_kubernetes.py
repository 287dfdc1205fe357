"""Tests that the manifests for Kubernetes fit together, and fit the gateway."""

from __future__ import annotations

import json
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

import menderproxy
from menderproxy.config.load import ConfigError, parse_config
from menderproxy.config.model import GatewayConfig
from menderproxy.config.units import parse_size
from tests.packaging.files import ETC

FOLDER = ETC / "kubernetes"
SECRET = "c2l4dGVlbiBieXRlcyBhbmQgbW9yZQ=="


def manifest(name: str) -> Any:
    """Read the one object of a file."""
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


class ManifestTests(SynchronousTestCase):
    """What ``kubectl apply --kustomize etc/kubernetes`` makes of a cluster."""

    def setUp(self) -> None:
        """Read the deployment."""
        self.pod = manifest("deployment.yaml")["spec"]["template"]
        [self.container] = self.pod["spec"]["containers"]
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}

    def config(self, secret: str = SECRET) -> GatewayConfig:
        """Give what the gateway makes of its file and of the variables that are secret."""
        document = json.loads(manifest("configmap.yaml")["data"]["mender-gateway.conf"])
        environment = manifest("secret.example.yaml")["stringData"]
        return parse_config(document, {**environment, "ARTIFACTS_PROXY_CACHE_SECRET": secret})

    def test_all(self) -> None:
        """Everything is applied, but not the example of secrets."""
        files = {path.name for path in FOLDER.glob("*.yaml")}
        applied = set(manifest("kustomization.yaml")["resources"])
        self.assertEqual(files - applied, {"kustomization.yaml", "secret.example.yaml"})
        self.assertEqual(applied - files, set())

    def test_configuration(self) -> None:
        """The gateway takes the configuration as it is."""
        self.assertEqual(self.config().warnings, ())

    def test_placeholder(self) -> None:
        """The example of a secret is none: the gateway refuses to sign links with it."""
        placeholder = manifest("secret.example.yaml")["stringData"]["ARTIFACTS_PROXY_CACHE_SECRET"]
        self.assertRaises(ConfigError, self.config, placeholder)

    def test_ports(self) -> None:
        """The pod's ports are those that the gateway listens on."""
        config = self.config()
        listens = {
            "https": config.https.listen,
            "probes": config.http.listen,
            "metrics": config.metrics.listen,
        }
        self.assertEqual({name: listens[name].port for name in listens}, self.ports)

    def test_service(self) -> None:
        """Devices get to the listener with TLS, at the usual port, and to no other."""
        service = manifest("service.yaml")["spec"]
        [port] = service["ports"]
        self.assertEqual((port["port"], port["targetPort"]), (443, "https"))

    def test_selectors(self) -> None:
        """All speak of the same pods."""
        labels = self.pod["metadata"]["labels"]
        [spread] = self.pod["spec"]["topologySpreadConstraints"]
        self.assertEqual(manifest("service.yaml")["spec"]["selector"], labels)
        for selector in (
            manifest("deployment.yaml")["spec"]["selector"],
            manifest("pod-disruption-budget.yaml")["spec"]["selector"],
            manifest("network-policy.yaml")["spec"]["podSelector"],
            spread["labelSelector"],
        ):
            self.assertEqual(selector, {"matchLabels": labels})

    def test_stop(self) -> None:
        """Downloads have all of the drain timeout before the cluster kills."""
        pause = self.container["lifecycle"]["preStop"]["sleep"]["seconds"]
        grace = self.pod["spec"]["terminationGracePeriodSeconds"]
        self.assertGreater(grace, pause + self.config().limits.drain_timeout)

    def test_cache(self) -> None:
        """The cache is on a volume, and stays smaller than what the pod would be evicted for."""
        cache = self.config().features.artifacts_proxy.artifacts_cache
        [name] = [
            mount["name"]
            for mount in self.container["volumeMounts"]
            if mount["mountPath"] == cache.path
        ]
        [volume] = [each for each in self.pod["spec"]["volumes"] if each["name"] == name]
        assert cache.max_size is not None
        self.assertLess(cache.max_size, parse_size(f"{volume['emptyDir']['sizeLimit']}B"))

    def test_privileges(self) -> None:
        """It runs as nobody, on a root file system that it can't write to."""
        self.assertEqual(self.pod["spec"]["securityContext"]["runAsUser"], 65534)
        self.assertTrue(self.container["securityContext"]["readOnlyRootFilesystem"])
        self.assertEqual(self.container["securityContext"]["capabilities"], {"drop": ["ALL"]})

    def test_environment(self) -> None:
        """No service of the namespace can set a variable of the gateway."""
        self.assertIs(self.pod["spec"]["enableServiceLinks"], False)

    def test_image(self) -> None:
        """The image is that of this version."""
        self.assertEqual(self.container["image"], f"menderproxy:{menderproxy.__version__}")
