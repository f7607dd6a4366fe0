"""Names of headers every exchange may have, whether its document names them or not; nothing but names.

The set is the one the field's comparator treats as standard, so that results agree; trace context (W3C) is added.
"""

from __future__ import annotations

__all__ = ["REQUEST_HEADERS", "RESPONSE_HEADERS"]

REQUEST_HEADERS = frozenset((
    "accept", "accept-charset", "accept-datetime", "accept-encoding", "accept-language", "authorization",
    "cache-control", "connection", "content-length", "content-md5", "content-type", "cookie", "date",
    "expect", "forwarded", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "max-forwards", "origin", "pragma", "proxy-authorization", "range", "referer",
    "te", "traceparent", "tracestate", "upgrade", "user-agent", "via", "warning",
))  # fmt: skip
RESPONSE_HEADERS = frozenset((
    "accept-patch", "accept-ranges", "access-control-allow-origin", "age", "allow", "alt-svc",
    "cache-control", "connection", "content-disposition", "content-encoding", "content-language",
    "content-length", "content-location", "content-md5", "content-range", "date", "etag", "expires",
    "last-modified", "link", "location", "p3p", "pragma", "proxy-authenticate", "public-key-pins", "refresh",
    "retry-after", "server", "set-cookie", "status", "strict-transport-security", "trailer",
    "transfer-encoding", "tsv", "upgrade", "vary", "via", "warning", "www-authenticate", "x-frame-options",
))  # fmt: skip
