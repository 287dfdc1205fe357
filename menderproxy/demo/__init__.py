"""The whole main job on one machine: a demo Mender Server, a store, a gateway and devices."""
