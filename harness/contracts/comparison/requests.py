"""Whether a document accepts the request of an interaction: path, credentials, headers, query, cookies, body."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from harness.contracts.comparison.exchange import Exchange
from harness.contracts.comparison.headers import REQUEST_HEADERS
from harness.contracts.comparison.media import is_form, is_json, is_multipart, matching
from harness.contracts.comparison.parameters import coerced, of_fields, query_readings, readings, schema_of
from harness.contracts.comparison.reporting import Reporter
from harness.contracts.comparison.results import Incompatibility
from harness.contracts.comparison.routes import Operation, Route
from harness.contracts.comparison.schemas import Schemas, shown
from harness.contracts.comparison.security import unsatisfied, used_names
from harness.documents.nodes import Node

__all__ = ["RequestCheck", "path_fits"]


def path_fits(route: Route, schemas: Schemas) -> bool:
    """Whether the texts in the place of the placeholders fit the schemas of the path parameters."""
    for parameter in route.operation.parameters:
        name = parameter.text("name")
        if parameter.text("in") != "path" or name not in route.values:
            continue
        schema, _ = schema_of(parameter)
        if schema.exists and not any(schemas.fits(schema, v) for v in readings(parameter, route.values[name])):
            return False
    return True


class RequestCheck:
    """Checks requests against one operation each.

    Args:
        root: the document.
    """

    def __init__(self, root: Node, schemas: Schemas) -> None:
        self._schemas = schemas
        self._schemes = dict(root.get("components").get("securitySchemes").items())
        self._lax = root.get("info").here("x-opc-config-no-authorization-schema").raw is True

    def found(self, exchange: Exchange, operation: Operation, report: Reporter) -> Iterator[Incompatibility]:
        """What the document does not accept. Of a request meant to be refused, only its media types are looked at."""
        if exchange.succeeds:
            for code, message, where in unsatisfied(operation.security, self._schemes, exchange, lax=self._lax):
                yield report.at(code, message, where, operation.security)
        yield from self._accept(exchange, operation, report)
        media = list(self._content_type(exchange, operation, report))
        yield from media
        if not exchange.succeeds:
            return
        known = used_names(operation.security, self._schemes)
        yield from self._headers(exchange, operation, report, known["header"])
        yield from self._cookies(exchange, operation, report)
        yield from self._query(exchange, operation, report, known["query"])
        yield from self._body(exchange, operation, report)

    def _accept(self, exchange: Exchange, operation: Operation, report: Reporter) -> Iterator[Incompatibility]:
        accept = exchange.request_headers.get("accept", "")
        responses = operation.node.get("responses")
        offered = [media for _, response in responses.items() for media, _ in response.get("content").items()]
        if not accept or exchange.status == 406:
            return
        where = ("request", "headers", "Accept")
        if not offered:
            yield report.at("request.accept.unknown", "no response names a media type", where, responses, accept)
        elif not matching(accept, offered):
            names = ", ".join(dict.fromkeys(offered))
            text = f"no response is of {accept}; there are {names}"
            yield report.at("request.accept.incompatible", text, where, responses, accept)

    def _content_type(self, exchange: Exchange, operation: Operation, report: Reporter) -> Iterator[Incompatibility]:
        content = operation.node.get("requestBody").get("content")
        offered, said = [m for m, _ in content.items()], exchange.request_headers.get("content-type", "")
        where, media = ("request", "headers", "Content-Type"), said or exchange.request_body.media
        if exchange.status == 415:
            return
        if said and not offered:
            yield report.at("request.content-type.unknown", "the operation takes no body", where, operation.node, said)
        elif media and offered and not matching(media, offered):
            text = f"{media} is not accepted; {', '.join(offered)} {'is' if len(offered) == 1 else 'are'}"
            yield report.at("request.content-type.incompatible", text, where, content, media)
        elif not media and offered and exchange.request_body.exists:
            text = "the request does not say of what media type its body is"
            yield report.at("request.content-type.missing", text, where, content)

    def _headers(
        self, exchange: Exchange, operation: Operation, report: Reporter, known: set[str]
    ) -> Iterator[Incompatibility]:
        code, named = "request.header.incompatible", set(known)
        for parameter in operation.parameters:
            if parameter.text("in") != "header":
                continue
            name = parameter.text("name")
            named.add(name.lower())
            value = exchange.request_headers.get(name.lower())
            where = ("request", "headers", name)
            if value is not None:
                yield from self._value(
                    code, f"header {name}", where, parameter, list(readings(parameter, value)), report
                )
            elif parameter.raw.get("required") is True and name.lower() not in known:
                yield report.at(code, f"the required header {name} is missing", where, parameter)
        for name, value in exchange.request_headers.items():
            if name not in named and name not in REQUEST_HEADERS:
                text = f"the operation has no header {name}"
                yield report.at("request.header.unknown", text, ("request", "headers", name), operation.node, value)

    def _cookies(self, exchange: Exchange, operation: Operation, report: Reporter) -> Iterator[Incompatibility]:
        cookies = cookies_of(exchange.request_headers.get("cookie", ""))
        code, where = "request.cookie.incompatible", ("request", "headers", "Cookie")
        for parameter in operation.parameters:
            if parameter.text("in") != "cookie":
                continue
            name = parameter.text("name")
            if name in cookies:
                values = list(readings(parameter, cookies[name]))
                yield from self._value(code, f"cookie {name}", where, parameter, values, report)
            elif parameter.raw.get("required") is True:
                yield report.at(code, f"the required cookie {name} is missing", where, parameter)

    def _query(
        self, exchange: Exchange, operation: Operation, report: Reporter, known: set[str]
    ) -> Iterator[Incompatibility]:
        code, used = "request.query.incompatible", set(known)
        everything = {p.text("name") for p in operation.parameters if p.text("in") == "query"}
        for parameter in operation.parameters:
            if parameter.text("in") != "query":
                continue
            name = parameter.text("name")
            names, values = query_readings(parameter, exchange.query, known | (everything - {name}))
            used |= names
            where = ("request", "query", name)
            if values:
                yield from self._value(code, f"query parameter {name}", where, parameter, values, report)
            elif parameter.raw.get("required") is True and not names and name not in known:
                yield report.at(code, f"the required query parameter {name} is missing", where, parameter)
        for name, texts in exchange.query.items():
            if name not in used:
                text = f"the operation has no query parameter {name}"
                value = texts[0] if len(texts) == 1 else texts
                yield report.at("request.query.unknown", text, ("request", "query", name), operation.node, value)

    def _value(
        self,
        code: str,
        what: str,
        where: tuple[object, ...],
        parameter: Node,
        values: Sequence[Any],
        report: Reporter,
    ) -> Iterator[Incompatibility]:
        schema, _ = schema_of(parameter)
        if schema.exists and values and not any(self._schemas.fits(schema, value) for value in values):
            for problem in self._schemas.problems(schema, values[0]):
                yield report.problem(code, what, where, problem)

    def _body(self, exchange: Exchange, operation: Operation, report: Reporter) -> Iterator[Incompatibility]:
        body, expected = exchange.request_body, operation.node.get("requestBody")
        where = ("request", "body")
        if not body.exists:
            if expected.here("required").raw is True:
                yield report.at("request.body.incompatible", "the required body is missing", where, expected)
            return
        content = expected.get("content")
        said = exchange.request_headers.get("content-type") or body.media or "application/json"
        chosen = matching(said, [m for m, _ in content.items()])
        schema = content.get(chosen).here("schema") if chosen else content.here("")
        if not schema.exists:
            yield report.at(
                "request.body.unknown", "no schema describes this body", where, operation.node, body.content
            )
            return
        value, readable = _read(body.content, said, schema)
        if not readable or not self._schemas.usable(schema):
            text = f"a body of {said} is not checked here"
            yield report.at("request.body.unvalidatable", text, where, schema, shown(body.content))
            return
        for problem in self._schemas.problems(schema, value):
            yield report.problem("request.body.incompatible", "the body", where, problem)


def _read(content: Any, media: str, schema: Node) -> tuple[Any, bool]:
    """A body as a value its schema is about, and whether it could be read."""
    if is_json(media):
        return content, True
    if is_form(media):
        if not isinstance(content, str):
            return (coerced(schema, dict(content)), True) if isinstance(content, Mapping) else (content, False)
        fields: dict[str, list[str]] = {}
        for name, value in parse_qsl(content.strip(), keep_blank_values=True):
            fields.setdefault(name, []).append(value)
        return of_fields(schema, fields), True
    if is_multipart(media):
        parts = parts_of(content, media) if isinstance(content, str) else None
        return (of_fields(schema, parts), True) if parts else (content, False)
    return content, False


def parts_of(content: str, media: str) -> dict[str, list[str]] | None:
    """The parts of a multipart body by name; None when it is not one."""
    from email import message_from_string

    message = message_from_string(f"Content-Type: {media}\n\n{content.lstrip()}")
    if not message.is_multipart():
        return None
    found: dict[str, list[str]] = {}
    for part in message.walk():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            found.setdefault(name, []).append(str(part.get_payload()).rstrip("\r\n"))
    return found


def cookies_of(header: str) -> dict[str, str]:
    """Cookies by name; none when the header is not one."""
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
