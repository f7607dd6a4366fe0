"""Whether a document allows the response an interaction expects: status, media type, headers, body."""

from __future__ import annotations

from collections.abc import Iterator

from harness.contracts.comparison.exchange import Exchange
from harness.contracts.comparison.headers import RESPONSE_HEADERS
from harness.contracts.comparison.media import is_json, matching
from harness.contracts.comparison.parameters import readings, schema_of
from harness.contracts.comparison.reporting import Reporter
from harness.contracts.comparison.results import Incompatibility
from harness.contracts.comparison.routes import Operation
from harness.contracts.comparison.schemas import Schemas, shown
from harness.documents.nodes import Node

__all__ = ["ResponseCheck"]


class ResponseCheck:
    """Checks expected responses against one operation each."""

    def __init__(self, schemas: Schemas) -> None:
        self._schemas = schemas

    def found(self, exchange: Exchange, operation: Operation, report: Reporter) -> Iterator[Incompatibility]:
        """What is expected and not promised."""
        responses, status = operation.node.get("responses"), exchange.status
        key = _status_key(responses, status)
        if key is None:
            names = ", ".join(name for name, _ in responses.items()) or "none"
            text = f"the operation has no response {status}; it has {names}"
            yield report.at("response.status.unknown", text, ("response", "status"), responses, status)
            return
        response = responses.get(key)
        if key == "default":
            text = f"only the default response covers {status}"
            yield report.at("response.status.default", text, ("response", "status"), response, status)
        media = list(self._content_type(exchange, response, report))
        yield from media
        yield from self._headers(exchange, response, report)
        if all(one.code != "response.content-type.incompatible" for one in media):
            yield from self._body(exchange, response, report)

    def _content_type(self, exchange: Exchange, response: Node, report: Reporter) -> Iterator[Incompatibility]:
        said, content = exchange.response_headers.get("content-type", ""), response.get("content")
        offered, media = [m for m, _ in content.items()], said or exchange.response_body.media
        where = ("response", "headers", "Content-Type") if said else ("response", "body")
        if said and not offered:
            text = f"{said} is expected, the response has no content"
            yield report.at("response.content-type.unknown", text, where, response, said)
        elif media and offered and not matching(media, offered):
            text = f"{media} is expected, the response is {' or '.join(offered)}"
            yield report.at("response.content-type.incompatible", text, where, content, media)

    def _headers(self, exchange: Exchange, response: Node, report: Reporter) -> Iterator[Incompatibility]:
        described = {name.lower(): header for name, header in response.get("headers").items()}
        for name, value in exchange.response_headers.items():
            where = ("response", "headers", name)
            if name in described:
                yield from self._header(name, value, described[name], report)
            elif name == "content-type":
                continue
            elif name in RESPONSE_HEADERS:
                text = f"the response does not name the standard header {name}"
                yield report.at("response.header.undefined", text, where, response, value)
            else:
                text = f"the response has no header {name}"
                yield report.at("response.header.unknown", text, where, response, value)

    def _header(self, name: str, value: str, header: Node, report: Reporter) -> Iterator[Incompatibility]:
        schema, _ = schema_of(header)
        if not schema.exists or name == "content-type":
            return
        values = list(readings(header, value))
        if not any(self._schemas.fits(schema, v, expected=True) for v in values):
            for problem in self._schemas.problems(schema, values[0], expected=True):
                where = ("response", "headers", name)
                yield report.problem("response.header.incompatible", f"header {name}", where, problem)

    def _body(self, exchange: Exchange, response: Node, report: Reporter) -> Iterator[Incompatibility]:
        body, where, content = exchange.response_body, ("response", "body"), response.get("content")
        if not body.exists:
            return
        offered = [m for m, _ in content.items()]
        said = exchange.response_headers.get("content-type") or body.media
        asked = said or exchange.request_headers.get("accept") or "application/json"
        chosen = matching(asked, offered) or (offered[0] if offered and not said else None)
        schema = content.get(chosen).here("schema") if chosen else content.here("")
        readable = is_json(said or chosen or "application/json")
        if not readable and (schema.exists or chosen):
            text = f"a body of {said or chosen} is not checked here"
            yield report.at("response.body.unvalidatable", text, where, schema, shown(body.content))
        elif not schema.exists:
            yield report.at("response.body.unknown", "no schema describes this body", where, response, body.content)
        elif not self._schemas.usable(schema, expected=True):
            yield report.at("response.body.unvalidatable", "its schema cannot be used", where, schema)
        else:
            for problem in self._schemas.problems(schema, body.content, expected=True):
                yield report.problem("response.body.incompatible", "the body", where, problem)


def _status_key(responses: Node, status: int) -> str | None:
    """The key of the response for a status: itself, its range, the default."""
    names = {name.upper(): name for name, _ in responses.items()}
    return names.get(str(status)) or names.get(f"{status // 100}XX") or names.get("DEFAULT")
