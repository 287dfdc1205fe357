"""
Whether the gateway in this container is alive, said by the exit status.

It asks the plain HTTP listener: on port 8080, unless the variable ``HTTP_LISTEN`` says otherwise.
"""

import os
import sys
from http.client import HTTPConnection

_, _, port = os.environ.get("HTTP_LISTEN", ":8080").rpartition(":")
connection = HTTPConnection("localhost", int(port), timeout=4)
connection.request("GET", "/api/internal/v1/gateway/alive")
status = connection.getresponse().status
sys.exit(0 if status == 204 else f"status {status}")
