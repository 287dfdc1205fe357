"""
What is odd about requests: by part of a request, what it may be instead of the usual.

``ID`` stands for what is different in each request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

ID = b"<ID>"
HIDDEN = b"GET /api/devices/v1/" + ID + b"/hidden HTTP/1.1\r\nHost: gateway.example\r\n\r\n"
"""A request that is none while it is in a body."""

PLACE = b"/api/devices/v1/" + ID

METHODS: Mapping[str, bytes] = {
    "lower case": b"get",
    "mixed case": b"Get",
    "TRACE": b"TRACE",
    "CONNECT": b"CONNECT",
    "PRI": b"PRI",
    "unknown": b"BREW",
    "with a hyphen": b"M-SEARCH",
    "with a digit": b"GET1",
    "with a separator": b"G(T",
    "with a colon": b"GET:",
    "empty": b"",
    "space before": b" GET",
    "tab before": b"\tGET",
    "NUL before": b"\x00GET",
    "long": b"G" * 5000,
}

TARGETS: Mapping[str, bytes] = {
    "empty query": PLACE + b"?",
    "semicolon": PLACE + b";x=/../y",
    "double slash": b"/" + PLACE,
    "slashes within": b"/api/devices//v1///" + ID,
    "encoded letter": b"/api/devices/v1/%78/" + ID,
    "encoded slash": b"/api/devices/v1%2f" + ID,
    "encoded NUL": PLACE + b"/%00",
    "encoded line end": PLACE + b"/%0d%0aX-Injected:%201",
    "broken encoding": PLACE + b"/%zz%",
    "dot": b"/api/devices/v1/./" + ID,
    "dots": b"/api/devices/v1/../v2/" + ID,
    "dots out": b"/api/devices/v1/../../management/v1/" + ID,
    "encoded dots out": b"/api/devices/v1/%2e%2e/%2E%2e/management/v1/" + ID,
    "twice encoded dots": b"/api/devices/v1/%252e%252e/%252e%252e/management/v1/" + ID,
    "dots and slash encoded": b"/api/devices/v1/..%2f..%2fmanagement/v1/" + ID,
    "backslash": b"/api/devices/v1\\" + ID,
    "backslashes and dots": b"/api/devices/v1/..\\..\\management\\" + ID,
    "dots with parameter": b"/api/devices/v1/..;/..;x/management/v1/" + ID,
    "dots in query": PLACE + b"?../../x",
    "outside": b"/api/management/v1/" + ID,
    "capitals": b"/API/DEVICES/v1/" + ID,
    "fragment": PLACE + b"#fragment",
    "no slash": b"api/devices/v1/" + ID,
    "asterisk": b"*",
    "absolute": b"http://gateway.example" + PLACE,
    "absolute elsewhere": b"http://elsewhere.example" + PLACE,
    "absolute with user": b"http://user@gateway.example" + PLACE,
    "absolute, capitals": b"HTTP://GATEWAY.EXAMPLE" + PLACE,
    "absolute ftp": b"ftp://gateway.example" + PLACE,
    "absolute without host": b"http://" + PLACE,
    "authority": b"elsewhere.example:443",
    "two slashes": b"//elsewhere.example" + PLACE,
    "space within": PLACE + b" x",
    "tab within": PLACE + b"\tx",
    "NUL within": PLACE + b"\x00x",
    "CR within": PLACE + b"\rx",
    "line feed within": PLACE + b"\nx",
    "DEL within": PLACE + b"\x7f",
    "UTF-8": PLACE + "/ä".encode(),
    "Latin-1": PLACE + b"/\xe4",
    "C1 control": PLACE + b"/\x85",
    "angle brackets": PLACE + b'/<">{}|^`',
    "empty": b"",
    "long": PLACE + b"/" + b"x" * 7000,
    "too long": PLACE + b"/" + b"x" * 20_000,
}

VERSIONS: Mapping[str, bytes] = {
    "1.0": b" HTTP/1.0",
    "1.2": b" HTTP/1.2",
    "2.0": b" HTTP/2.0",
    "0.9": b" HTTP/0.9",
    "none": b"",
    "space only": b" ",
    "lower case": b" http/1.1",
    "two digits": b" HTTP/1.10",
    "leading zero": b" HTTP/01.1",
    "no dot": b" HTTP/11",
    "no minor": b" HTTP/1",
    "space after": b" HTTP/1.1 ",
    "tab after": b" HTTP/1.1\t",
    "two spaces before": b"  HTTP/1.1",
    "tab before": b"\tHTTP/1.1",
    "vertical tab before": b"\x0bHTTP/1.1",
    "more after": b" HTTP/1.1 x",
    "NUL after": b" HTTP/1.1\x00",
    "CR after": b" HTTP/1.1\r",
    "another protocol": b" ICAP/1.0",
}

HOSTS: Mapping[str, bytes] = {
    "none": b"",
    "twice": b"Host: gateway.example\r\nHost: gateway.example\r\n",
    "two": b"Host: gateway.example\r\nHost: elsewhere.example\r\n",
    "elsewhere": b"Host: elsewhere.example\r\n",
    "with port": b"Host: gateway.example:8080\r\n",
    "bad port": b"Host: gateway.example:x\r\n",
    "empty": b"Host:\r\n",
    "space before colon": b"Host : gateway.example\r\n",
    "with a path": b"Host: gateway.example/x\r\n",
    "with a user": b"Host: user@gateway.example\r\n",
    "list": b"Host: gateway.example, elsewhere.example\r\n",
    "two words": b"Host: gateway.example elsewhere.example\r\n",
    "folded": b"Host:\r\n gateway.example\r\n",
    "capitals": b"HOST: GATEWAY.EXAMPLE\r\n",
    "no space": b"Host:gateway.example\r\n",
    "many spaces": b"Host: \t  gateway.example \t \r\n",
    "control byte": b"Host: gateway\x01.example\r\n",
    "NUL": b"Host: gateway.example\x00.elsewhere.example\r\n",
    "CR": b"Host: gateway.example\rX: y\r\n",
    "brackets": b"Host: [::1\r\n",
}

HEADERS: Mapping[str, bytes] = {
    "empty value": b"X-One:\r\n",
    "duplicates": b"X-One: 1\r\nX-One: 2\r\nx-one: 3\r\n",
    "two Authorizations": b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
    "space before colon": b"X-One : 1\r\n",
    "tab before colon": b"X-One\t: 1\r\n",
    "space in name": b"X One: 1\r\n",
    "no colon": b"X-One\r\n",
    "no name": b": 1\r\n",
    "space first": b" X-One: 1\r\n",
    "folded": b"X-One: 1\r\n 2\r\n",
    "folded with tab": b"X-One: 1\r\n\t2\r\n",
    "folded to nothing": b"X-One: 1\r\n \r\n",
    "line feed only": b"X-One: 1\nX-Two: 2\r\n",
    "empty line of line feeds": b"X-One: 1\n\nGET /hidden HTTP/1.1\nHost: g\n\n",
    "CR within": b"X-One: 1\rX-Two: 2\r\n",
    "CR before the end": b"X-One: 1\r\r\n",
    "NUL": b"X-One: 1\x002\r\n",
    "NUL in name": b"X\x00One: 1\r\n",
    "control byte": b"X-One: 1\x012\r\n",
    "escape": b"X-One: \x1b[2J\r\n",
    "vertical tab": b"X-One: 1\x0bX-Two: 2\r\n",
    "form feed": b"X-One: 1\x0cX-Two: 2\r\n",
    "next line": b"X-One: 1\x85X-Two: 2\r\n",
    "record separator": b"X-One: 1\x1eX-Two: 2\r\n",
    "DEL": b"X-One: 1\x7f\r\n",
    "UTF-8": "X-One: ä\r\n".encode(),
    "Latin-1": b"X-One: \xe4\r\n",
    "Latin-1 in name": b"X-\xe4: 1\r\n",
    "underscore": b"X_Forwarded_For: 198.51.100.1\r\n",
    "claims": b"X-Forwarded-For: 198.51.100.1\r\nForwarded: for=198.51.100.1\r\n",
    "separator in name": b"X(One): 1\r\n",
    "equals sign in name": b"X=One: 1\r\n",
    "long": b"X-One: %b\r\n" % (b"x" * 6000),
    "too long": b"X-One: %b\r\n" % (b"x" * 40_000),
    "many": b"".join(b"X-%d: 1\r\n" % each for each in range(90)),
    "too many": b"X: 1\r\n" * 700,
    "proxy": b"Proxy-Authorization: Basic eA==\r\nProxy-Connection: keep-alive\r\n",
    "cookies": b"Cookie: JWT=a\r\nCookie: JWT=b\r\n",
    "range": b"Range: bytes=0-0,2-3\r\nIf-Range: x\r\n",
}

CONNECTIONS: Mapping[str, bytes] = {
    "close": b"Connection: close\r\n",
    "close in a list": b"Connection: x, Close\r\n",
    "keep-alive": b"Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n",
    "empty": b"Connection:\r\n",
    "both": b"Connection: keep-alive\r\nConnection: close\r\n",
    "names Host": b"Connection: Host\r\n",
    "names Authorization": b"Connection: Authorization, X-MEN-Signature\r\n",
    "names Content-Length": b"Connection: Content-Length\r\n",
    "names Transfer-Encoding": b"Connection: Transfer-Encoding\r\n",
    "names X-Forwarded-For": b"Connection: X-Forwarded-For, X-Forwarded-Proto\r\n",
    "names Cookie": b"Connection: Cookie\r\n",
    "TE": b"Connection: TE\r\nTE: trailers, chunked\r\n",
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "WebSocket": b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "TLS": b"Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
    "odd": b"Connection: ,,;close=x\r\n",
    "Expect": b"Expect: 100-continue\r\n",
    "Expect something": b"Expect: a-miracle\r\n",
    "Trailer": b"Trailer: Authorization\r\n",
    "Max-Forwards": b"Max-Forwards: 0\r\n",
}

Framing = Callable[[bytes], bytes]
"""Given a body, the headers that frame it, the empty line, and the bytes for it."""

_CODING = b"Transfer-Encoding: chunked\r\n"


def chunked(body: bytes) -> bytes:
    """Write a body as two chunks."""
    half = len(body) // 2
    pieces = [each for each in (body[:half], body[half:]) if each]
    return b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in pieces) + b"0\r\n\r\n"


def by_length(body: bytes) -> bytes:
    """Frame a body by its length."""
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def by_chunks(body: bytes) -> bytes:
    """Frame a body by chunks."""
    return _CODING + b"\r\n" + chunked(body)


def _length_as(text: bytes) -> Framing:
    return lambda body: text.replace(b"%d", b"%d" % len(body)) + b"\r\n\r\n" + body


def _coding_as(lines: bytes) -> Framing:
    return lambda body: lines.replace(b"%d", b"%d" % len(body)) + b"\r\n\r\n" + chunked(body)


def _chunk_as(text: bytes) -> Framing:
    """Frame by a chunk: ``%x`` is its size, ``%b`` its content."""
    return lambda body: (
        _CODING + b"\r\n" + text.replace(b"%x", b"%x" % len(body)).replace(b"%b", body)
    )


LENGTHS: Mapping[str, Framing] = {
    "none, but a body": lambda body: b"\r\n" + body,
    "zero, but a body": lambda body: b"Content-Length: 0\r\n\r\n" + body,
    "too short": lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body) // 2, body),
    "too long": lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body) + 30, body),
    "far too long": lambda body: b"Content-Length: 99999999999999999999\r\n\r\n" + body,
    "wrapping": lambda body: b"Content-Length: %d\r\n\r\n%b" % (2**64 + len(body), body),
    "twice": _length_as(b"Content-Length: %d\r\nContent-Length: %d"),
    "two": _length_as(b"Content-Length: %d\r\nContent-Length: 0"),
    "two, other order": _length_as(b"Content-Length: 0\r\nContent-Length: %d"),
    "list": _length_as(b"Content-Length: %d, %d"),
    "list of two": _length_as(b"Content-Length: 0, %d"),
    "plus": _length_as(b"Content-Length: +%d"),
    "minus": _length_as(b"Content-Length: -%d"),
    "leading zeros": _length_as(b"Content-Length: 000%d"),
    "hexadecimal": _length_as(b"Content-Length: 0x%d"),
    "underscore": _length_as(b"Content-Length: 0_%d"),
    "fraction": _length_as(b"Content-Length: %d.0"),
    "empty": _length_as(b"Content-Length: "),
    "word": _length_as(b"Content-Length: chunked"),
    "two words": _length_as(b"Content-Length: %d 0"),
    "space before colon": _length_as(b"Content-Length : %d"),
    "spaces around": _length_as(b"Content-Length: \t %d \t"),
    "vertical tab": _length_as(b"Content-Length: \x0b%d"),
    "folded": _length_as(b"Content-Length:\r\n %d"),
    "underscored name": _length_as(b"Content_Length: %d"),
    "NUL": _length_as(b"Content-Length: %d\x00"),
    "other digits": _length_as(b"Content-Length: \xb2"),
    "quoted": _length_as(b'Content-Length: "%d"'),
}

CODINGS: Mapping[str, Framing] = {
    "capitals": _coding_as(b"TRANSFER-ENCODING: CHUNKED"),
    "with length": _coding_as(b"Transfer-Encoding: chunked\r\nContent-Length: %d"),
    "with length before": _coding_as(b"Content-Length: 4\r\nTransfer-Encoding: chunked"),
    "with length zero": _coding_as(b"Content-Length: 0\r\nTransfer-Encoding: chunked"),
    "unknown": _coding_as(b"Transfer-Encoding: xchunked"),
    "unknown with length": _coding_as(b"Transfer-Encoding: xchunked\r\nContent-Length: %d"),
    "identity": _coding_as(b"Transfer-Encoding: identity"),
    "identity with length": lambda body: b"Transfer-Encoding: identity\r\n" + by_length(body),
    "gzip": _coding_as(b"Transfer-Encoding: gzip"),
    "gzip, chunked": _coding_as(b"Transfer-Encoding: gzip, chunked"),
    "chunked, identity": _coding_as(b"Transfer-Encoding: chunked, identity"),
    "chunked, chunked": _coding_as(b"Transfer-Encoding: chunked, chunked"),
    "twice": _coding_as(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    "then identity": _coding_as(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
    "identity first": _coding_as(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked"),
    "empty": _coding_as(b"Transfer-Encoding:"),
    "comma": _coding_as(b"Transfer-Encoding: ,chunked"),
    "parameter": _coding_as(b"Transfer-Encoding: chunked;x=y"),
    "quoted": _coding_as(b'Transfer-Encoding: "chunked"'),
    "vertical tab": _coding_as(b"Transfer-Encoding: \x0bchunked"),
    "NUL": _coding_as(b"Transfer-Encoding: chunked\x00"),
    "spaces around": _coding_as(b"Transfer-Encoding: \t chunked \t"),
    "space before colon": _coding_as(b"Transfer-Encoding : chunked"),
    "folded": _coding_as(b"Transfer-Encoding:\r\n chunked"),
    "behind a line feed": _coding_as(b"X: y\nTransfer-Encoding: chunked"),
    "behind a CR": _coding_as(b"X: y\rTransfer-Encoding: chunked"),
    "underscored name": _coding_as(b"Transfer_Encoding: chunked"),
    "Latin-1": _coding_as(b"Transfer-Encoding: chunked\xa0"),
    "Kelvin sign": _coding_as("Transfer-Encoding: chun\N{KELVIN SIGN}ed".encode()),
    "in Content-Encoding": _coding_as(b"Content-Encoding: chunked"),
}

CHUNKS: Mapping[str, Framing] = {
    "one": _chunk_as(b"%x\r\n%b\r\n0\r\n\r\n"),
    "extension": _chunk_as(b"%x;a=b;c\r\n%b\r\n0;d\r\n\r\n"),
    "extension after space": _chunk_as(b"%x ;a\r\n%b\r\n0\r\n\r\n"),
    "quoted extension": _chunk_as(b'%x;a="\\"0;"\r\n%b\r\n0\r\n\r\n'),
    "long extension": _chunk_as(b"%x;" + b"a" * 9000 + b"\r\n%b\r\n0\r\n\r\n"),
    "line feed in extension": _chunk_as(b"%x;\n\r\n%b\r\n0\r\n\r\n"),
    "CR in extension": _chunk_as(b"%x;\rx\r\n%b\r\n0\r\n\r\n"),
    "NUL in extension": _chunk_as(b"%x;\x00\r\n%b\r\n0\r\n\r\n"),
    "leading zeros": _chunk_as(b"0000%x\r\n%b\r\n0000\r\n\r\n"),
    "many leading zeros": _chunk_as(b"0" * 40 + b"%x\r\n%b\r\n0\r\n\r\n"),
    "space after": _chunk_as(b"%x \r\n%b\r\n0\r\n\r\n"),
    "space before": _chunk_as(b" %x\r\n%b\r\n0\r\n\r\n"),
    "tab before": _chunk_as(b"\t%x\r\n%b\r\n0\r\n\r\n"),
    "0x": _chunk_as(b"0x%x\r\n%b\r\n0\r\n\r\n"),
    "plus": _chunk_as(b"+%x\r\n%b\r\n0\r\n\r\n"),
    "minus": _chunk_as(b"-%x\r\n%b\r\n0\r\n\r\n"),
    "underscore": _chunk_as(b"0_%x\r\n%b\r\n0\r\n\r\n"),
    "no size": _chunk_as(b"\r\n%b\r\n0\r\n\r\n"),
    "wrapping": _chunk_as(b"10000000000000%x\r\n%b\r\n0\r\n\r\n"),
    "wrapping 32 bits": _chunk_as(b"1000000%x\r\n%b\r\n0\r\n\r\n"),
    "no hexadecimal": _chunk_as(b"%xg\r\n%b\r\n0\r\n\r\n"),
    "line feed after size": _chunk_as(b"%x\n%b\r\n0\r\n\r\n"),
    "line feed after data": _chunk_as(b"%x\r\n%b\n0\r\n\r\n"),
    "CR after size": _chunk_as(b"%x\r%b\r\n0\r\n\r\n"),
    "nothing after data": _chunk_as(b"%x\r\n%b0\r\n\r\n"),
    "more data": _chunk_as(b"%x\r\n%bxx\r\n0\r\n\r\n"),
    "line feeds at the end": _chunk_as(b"%x\r\n%b\r\n0\n\n"),
    "line feed at the end": _chunk_as(b"%x\r\n%b\r\n0\r\n\n"),
    "no end": _chunk_as(b"%x\r\n%b\r\n0\r\n"),
    "trailers": _chunk_as(b"%x\r\n%b\r\n0\r\nAuthorization: x\r\nHost: x\r\n\r\n"),
    "framing trailers": _chunk_as(b"%x\r\n%b\r\n0\r\nContent-Length: 5\r\n\r\n"),
    "folded trailer": _chunk_as(b"%x\r\n%b\r\n0\r\nX: y\r\n z\r\n\r\n"),
    "trailer without colon": _chunk_as(b"%x\r\n%b\r\n0\r\nGET / HTTP/1.1\r\n\r\n"),
    "line feed in trailer": _chunk_as(b"%x\r\n%b\r\n0\r\nX: y\nZ: z\r\n\r\n"),
    "long trailer": _chunk_as(b"%x\r\n%b\r\n0\r\nX: " + b"y" * 70_000 + b"\r\n\r\n"),
    "size of another": _chunk_as(b"5\r\n%b\r\n0\r\n\r\n"),
    "with HTTP/1.0's": _chunk_as(b"%x\r\n%b\r\n0\r\n\r\n"),
}

EDGES: Mapping[str, Callable[[bytes], bytes]] = {
    "empty line before": lambda raw: b"\r\n" + raw,
    "two empty lines before": lambda raw: b"\r\n\r\n" + raw,
    "line feed before": lambda raw: b"\n" + raw,
    "space before": lambda raw: b" " + raw,
    "line feeds only": lambda raw: raw.replace(b"\r\n", b"\n"),
    "first line ends in line feed": lambda raw: raw.replace(b"\r\n", b"\n", 1),
    "head ends in line feeds": lambda raw: raw.replace(b"\r\n\r\n", b"\r\n\n", 1),
    "CRs only": lambda raw: raw.replace(b"\r\n", b"\r"),
    "byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "TLS": lambda raw: b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + raw,
    "PROXY": lambda raw: b"PROXY TCP4 198.51.100.1 192.0.2.7 49152 80\r\n" + raw,
    "HTTP/2": lambda raw: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + raw,
    "cut off": lambda raw: raw[:-3],
    "an answer": lambda raw: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + raw,
}
