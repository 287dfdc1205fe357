"""
Soak and chaos: devices go on updating while everything around the gateway breaks, and it too.

``python -m bench.soak`` is the run; ``bench.soak.idle`` has ten thousand connections that do
nothing, and ``bench.soak.testssl`` lets a stranger's program judge the listener.
"""
