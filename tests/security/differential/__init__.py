"""
What the gateway, nginx and haproxy make of the same odd requests.

``python -m tests.security.differential --requests 10000`` sends that many, made by a grammar from
a seed, to each of the three in front of an upstream that records every byte, and judges by a
reader of requests that is as strict as it can be: whatever the gateway forwards must be just what
that one reads.
"""
