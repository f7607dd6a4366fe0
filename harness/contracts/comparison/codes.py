"""The codes a comparison of pacts with documents can give, with severity and meaning; nothing but the table.

Codes and severities are the ones people know from the field's comparator of pacts and OpenAPI documents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CODES", "Code", "Severity"]


class Severity(StrEnum):
    """An error: the interaction cannot happen as agreed. A warning: nothing in the document promises it."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of incompatibility.

    Args:
        id: stable; results carry it.
        text: what it means, in a sentence.
    """

    id: str
    severity: Severity
    text: str


_E, _W = Severity.ERROR, Severity.WARNING

_TABLE = (
    Code("request.path-or-method.unknown", _E, "No operation has this method and path."),
    Code("request.authorization.missing", _E, "The operation asks for credentials the request does not carry."),
    Code("request.authorization.unseen", _W, "Credentials whose place cannot be known are not seen in the request."),
    Code("request.header.incompatible", _E, "A header does not fit its schema, or a required one is missing."),
    Code("request.header.unknown", _W, "The operation has no such header."),
    Code("request.cookie.incompatible", _E, "A cookie does not fit its schema, or a required one is missing."),
    Code("request.query.incompatible", _E, "A query parameter does not fit its schema, or a required one is missing."),
    Code("request.query.unknown", _W, "The operation has no such query parameter."),
    Code("request.accept.incompatible", _E, "The operation gives none of the media types the request accepts."),
    Code("request.accept.unknown", _W, "The request accepts media types, the operation names none."),
    Code("request.content-type.incompatible", _E, "The operation does not take bodies of this media type."),
    Code("request.content-type.missing", _W, "The request has a body and does not say of what media type."),
    Code("request.content-type.unknown", _W, "The request names a media type, the operation takes no body."),
    Code("request.body.incompatible", _E, "The body does not fit the schema, or a required one is missing."),
    Code("request.body.unknown", _E, "The request has a body for which the operation has no schema."),
    Code("request.body.unvalidatable", _W, "The body is of a media type, or its schema of a shape, not checked here."),
    Code("response.status.unknown", _E, "The operation has no response with this status."),
    Code("response.status.default", _W, "Only the default response covers this status."),
    Code("response.content-type.incompatible", _E, "The response is never of this media type."),
    Code("response.content-type.unknown", _W, "A media type is expected, the response has no content."),
    Code("response.header.incompatible", _E, "A header that is expected does not fit its schema."),
    Code("response.header.undefined", _W, "A standard header is expected that the response does not name."),
    Code("response.header.unknown", _E, "A header is expected that the response does not have."),
    Code("response.body.incompatible", _E, "The expected body does not fit the schema, or asks for what it lacks."),
    Code("response.body.unknown", _E, "A body is expected for which the response has no schema."),
    Code("response.body.unvalidatable", _W, "The body is of a media type, or its schema of a shape, not checked here."),
    Code("message.operation.unknown", _E, "The contract names an operation the document does not have."),
    Code("message.id.unknown", _E, "The contract names a message its operation does not have."),
    Code("message.no.match", _E, "No message of the document can be the expected one."),
    Code("message.payload.incompatible", _E, "The expected payload does not fit the schema of its message."),
    Code("message.payload.unknown", _W, "A payload is expected for which the message has no schema."),
    Code("message.payload.unvalidatable", _W, "The payload, or the language of its schema, is not one checked here."),
    Code("message.headers.incompatible", _E, "The metadata does not fit the schema of the message's headers."),
    Code("message.content-type.incompatible", _E, "The message is never of this media type."),
    Code("message.reply.missing", _E, "A reply is expected, the operation has none."),
    Code("message.response.missing", _W, "The contract of an answered message holds no answer."),
)

#: Every code by its id, in the order of an exchange.
CODES: Mapping[str, Code] = {code.id: code for code in _TABLE}
