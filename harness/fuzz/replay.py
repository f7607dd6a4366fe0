"""Sends failing requests again, exactly as they were recorded, and says whether the failure shows again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from harness.fuzz.failures import NO_ANSWER, TOO_MUCH, TOO_MUCH_HEADER, Answer, Failure, Step
from harness.guard import Invitation, parse_json

if TYPE_CHECKING:
    from requests import Response

__all__ = ["Replayer", "send"]

#: The longest one request of a replay may take, in seconds; Schemathesis' own limit is the same.
_LIMIT_S = 10.0
_TIMES = 2
#: Checks that look at the answer alone: another answer of the same status may be in order, so it is checked anew.
_ABOUT_THE_ANSWER = frozenset({
    "content_type_conformance", "response_headers_conformance", "response_schema_conformance", "status_code_conformance",
})  # fmt: skip


def send(step: Step, base_url: str, limit_s: float = _LIMIT_S) -> Answer | None:
    """Send one recorded request to `base_url` (which may have moved since); None when no answer came."""
    response = _send(step, base_url, limit_s)
    if response is None:
        return None
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, response.content)


def _send(step: Step, base_url: str, limit_s: float) -> Response | None:
    import requests  # the client that Schemathesis sends with, so that the bytes on the wire are the same

    from harness.fuzz.exchange import AnswerTooLargeError, LimitedAdapter

    adapter = LimitedAdapter()
    adapter.whole = True
    try:
        request = requests.Request(step.method, base_url, headers=_encodable(step.headers), data=step.body).prepare()
        request.url = _moved(step.url, base_url)
        Invitation.to([base_url]).check(request.url)
        with requests.Session() as session:
            session.trust_env = False
            for scheme in ("http://", "https://"):
                session.mount(scheme, adapter)
            return session.send(request, timeout=limit_s, allow_redirects=False)
    except AnswerTooLargeError as error:
        without_head = requests.Response()
        without_head.headers[TOO_MUCH_HEADER] = str(error)
        without_head.status_code = 0
        return without_head
    except (requests.RequestException, ValueError, OSError):
        return None


def _encodable(headers: Any) -> dict[str, str | bytes]:
    return {name: value.encode("utf-8", errors="surrogateescape") for name, value in headers.items()}


def _moved(url: str, base_url: str) -> str:
    here, there = urlsplit(url), urlsplit(base_url)
    return urlunsplit((there.scheme, there.netloc, here.path, here.query, ""))


class Replayer:
    """Replays the failures of one service.

    Args:
        base_url: where the service is now.
        document: its OpenAPI document, to check answers against.
    """

    def __init__(self, base_url: str, document: str) -> None:
        self._base_url, self._document = base_url, document
        self._schema: Any = None

    def shows_again(self, failure: Failure) -> Failure | None:
        """The failure as it showed in one of two replays of its requests; None when it did not. Blocks; call it in a thread."""
        return next((again for _ in range(_TIMES) if (again := self._once(failure)) is not None), None)

    def _once(self, failure: Failure) -> Failure | None:
        renamed = _Renaming()
        for step in failure.steps[:-1]:
            renamed.learn(step.answer, send(renamed.apply(step), self._base_url))
        response = _send(renamed.apply(failure.last), self._base_url, _LIMIT_S)
        too_much = response.headers.get(TOO_MUCH_HEADER, "") if response is not None else ""
        if failure.check in {NO_ANSWER, TOO_MUCH} and too_much:
            # A head that is too large leaves nothing to record; what it was is only known here.
            return replace(failure, check=TOO_MUCH, title="Too much", message=too_much)
        return failure if self._shows(failure, response) else None

    def _shows(self, failure: Failure, response: Response | None) -> bool:
        if response is None or failure.last.answer is None:
            return response is None and failure.check == NO_ANSWER
        if failure.check == TOO_MUCH:
            return False
        if failure.check in _ABOUT_THE_ANSWER:
            return self._violates(failure, response)
        return _alike(response.status_code, failure.last.answer.status, failure.check)

    def _violates(self, failure: Failure, response: Response) -> bool:
        assert failure.last.answer is not None
        same = response.status_code == failure.last.answer.status
        if failure.check == "status_code_conformance":
            return same
        operation = self._operation(failure.last)
        return not operation.is_valid_response(response) if operation is not None else same

    def _operation(self, step: Step) -> Any:
        import schemathesis

        if self._schema is None:
            import yaml

            self._schema = schemathesis.openapi.from_dict(yaml.safe_load(self._document))
        try:
            return self._schema[step.path][step.method]
        except LookupError:
            return None


def _alike(now: int, then: int, check: str) -> bool:
    if check == "not_a_server_error":
        return now >= 500
    if 200 <= then < 300:
        return 200 <= now < 300
    return now == then


class _Renaming:
    """Identifiers that a service gives anew in each replay: what an earlier answer said then, and says now."""

    def __init__(self) -> None:
        self._now: dict[str, str] = {}

    def learn(self, then: Answer | None, now: Answer | None) -> None:
        """Compare two answers to the same request, value by value."""
        if then is None or now is None:
            return
        fresh = dict(_leaves(_json(now.body)))
        for pointer, value in _leaves(_json(then.body)):
            if fresh.get(pointer, value) != value:
                self._now.setdefault(value, fresh[pointer])
        location = then.headers.get("location"), now.headers.get("location")
        if location[0] and location[1]:
            for old, new in zip(location[0].split("/"), location[1].split("/"), strict=False):
                if old != new:
                    self._now.setdefault(old, new)

    def apply(self, step: Step) -> Step:
        """The request with the identifiers of this replay."""
        if not self._now:
            return step
        parts = urlsplit(step.url)
        path = "/".join(self._segment(s) for s in parts.path.split("/"))
        query = parts.query
        if any(value in self._now for _, value in parse_qsl(query)):
            query = urlencode([(n, self._now.get(v, v)) for n, v in parse_qsl(query, keep_blank_values=True)])
        body = step.body
        if (value := _json(body)) is not None and any(v in self._now for _, v in _leaves(value)):
            body = json.dumps(_mapped(value, lambda s: self._now.get(s, s))).encode()
        return replace(step, url=urlunsplit((parts.scheme, parts.netloc, path, query, "")), body=body)

    def _segment(self, segment: str) -> str:
        plain = unquote(segment)
        return quote(self._now[plain], safe="") if plain in self._now else segment


def _json(body: bytes | None) -> Any:
    try:
        return parse_json(body or b"")
    except ValueError:
        return None


def _leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Strings and whole numbers of a JSON value, by pointer."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from _leaves(inner, f"{pointer}/{name}")
        case list():
            for index, inner in enumerate(value):
                yield from _leaves(inner, f"{pointer}/{index}")
        case bool():
            return
        case str() | int() if value != "":
            yield pointer, str(value)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case dict():
            return {name: _mapped(inner, change) for name, inner in value.items()}
        case list():
            return [_mapped(inner, change) for inner in value]
        case str():
            return change(value)
    return value
