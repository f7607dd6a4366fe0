"""Puts requests, answers and failed checks into words, cut to what somebody reads; masking is done by whoever tells them."""

from __future__ import annotations

import json
import shlex
from urllib.parse import unquote, urlsplit

from harness.fuzz.failures import NO_ANSWER, TOO_MUCH, Answer, Failure, Step

__all__ = [
    "BODY_LIMIT",
    "BRIEF_LIMIT",
    "answer_text",
    "brief",
    "curl",
    "expected",
    "line_of",
    "odd_input",
    "remedy",
    "request_text",
    "title_of",
    "trace_id",
    "visible",
]

BODY_LIMIT = 4000
BRIEF_LIMIT = 90
_CURL_BODY_LIMIT = 2000
_CURL_LIMIT = 3000

#: check -> title; `{with_}` is the odd input, `{status}` the answer's status, `{why}` the first line of the message.
_TITLES = {
    "not_a_server_error": "{service} answered {status} to {operation}{with_}",
    "status_code_conformance": "{service} answered {status} to {operation}, which its OpenAPI document does not declare",
    "content_type_conformance": "{service} answered {operation} with a content type its OpenAPI document does not declare",
    "response_headers_conformance": "{service} answered {operation} without headers, or with other headers, than declared",
    "response_schema_conformance": "{service} answered {operation} with a body that breaks its own schema: {why}",
    "negative_data_rejection": "{service} answered {status} to a request for {operation} that its document forbids{with_}",
    "positive_data_acceptance": "{service} answered {status} to a request for {operation} that its document allows{with_}",
    "missing_required_header": "{service} answered {status} to {operation} without a header it declares as required",
    "unsupported_method": "{service} answered {status}, not 405, to {sent}, a method it does not declare",
    "allow_header_conformance": "{service} names other methods in Allow than it declares, at {sent}",
    "use_after_free": "{service} still answered {status} to {sent} after the resource was deleted",
    "ensure_resource_availability": "{service} answered {status} to {sent} right after it had created that resource",
    "ignored_auth": "{service} answered {status} to {operation} without valid credentials",
    "object_level_authorization": "{service} gave {operation} to somebody who does not own the resource",
    NO_ANSWER: "{service} gave no answer to {operation}{with_}",
    TOO_MUCH: "{service} answered {operation} with too much: {why}",
}


def title_of(failure: Failure, service: str) -> str:
    """What a failed check comes down to, in one line."""
    step = failure.last
    template = _TITLES.get(failure.check)
    if template is None:
        return f"{service}: {failure.title} at {failure.operation}"
    return template.format(
        service=service,
        operation=failure.operation,
        status=step.answer.status if step.answer else "nothing",
        with_=odd_input(step),
        sent=f"{step.method} {unquote(urlsplit(step.url).path)}",
        why=(failure.message.splitlines() or [""])[0],
    )


def visible(text: str) -> str:
    """Control characters as escapes: a payload must not steer a terminal, nor break an XML report."""
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def _text(body: bytes) -> str:
    return body.decode(errors="backslashreplace")


def brief(text: str) -> str:
    """One line of text, cut."""
    flat = " ".join(text.split())
    return flat if len(flat) <= BRIEF_LIMIT else f"{flat[:BRIEF_LIMIT]}…"


def odd_input(step: Step) -> str:
    """` with quantity = -1`, or what else was sent, briefly."""
    if step.parameter and (value := _value(step)) is not None:
        return f" with {step.parameter} = {brief(value)}"
    parts = urlsplit(step.url)
    if step.body:
        return f" with {brief(_text(step.body))}"
    if parts.query:
        return f" with ?{brief(unquote(parts.query))}"
    return f" with {brief(unquote(parts.path))}" if "{" in step.path else ""


def _value(step: Step) -> str | None:
    """The value of the parameter that was made odd, where it can be found again."""
    from urllib.parse import parse_qs

    try:
        body = json.loads(step.body or b"")
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and step.parameter in body:
        return json.dumps(body[step.parameter], ensure_ascii=False)
    query = parse_qs(urlsplit(step.url).query, keep_blank_values=True)
    return ", ".join(query[step.parameter]) if step.parameter in query else None


def line_of(step: Step) -> str:
    """One line for a request and its answer."""
    parts = urlsplit(step.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    body = f" {brief(_text(step.body))}" if step.body else ""
    return f"{step.method} {target[:300]}{body} -> {step.answer.status if step.answer else 'no answer'}"


def request_text(step: Step) -> str:
    """A request as it is on the wire, in part."""
    parts = urlsplit(step.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{step.method} {target[:BODY_LIMIT]} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value[:500]}" for name, value in step.headers.items()]
    return "\n".join(lines) + _body_text(step.body)


def answer_text(answer: Answer) -> str:
    """An answer as it is on the wire, in part."""
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value[:500]}" for name, value in answer.headers.items())]
    return "\n".join(lines) + _body_text(answer.body)


def _body_text(body: bytes | None) -> str:
    if not body:
        return "\n"
    rest = f"\n… {len(body) - BODY_LIMIT} bytes more" if len(body) > BODY_LIMIT else ""
    return f"\n\n{_text(body[:BODY_LIMIT])}{rest}"


def curl(step: Step) -> str:
    """The command line that sends a request again."""
    words = ["curl", "-i", "-X", step.method, "--path-as-is", "-g"]
    for name, value in step.headers.items():
        words += ["-H", f"{name}: {value}" if value.strip() else f"{name};"]  # curl drops a header written with nothing
    before = ""
    if step.body is not None and len(step.body) > _CURL_BODY_LIMIT:
        words += ["--data-binary", "@body"]
        before = f"(put the {len(step.body)} bytes of the body into a file named body) "
    elif step.body is not None:
        try:
            words += ["--data-raw", step.body.decode()]
        except UnicodeDecodeError:
            octal = "".join(f"\\{byte:03o}" for byte in step.body)
            before, words = f"printf {shlex.quote(octal)} | ", [*words, "--data-binary", "@-"]
    line = before + shlex.join([*words, step.url])
    return line if len(line) <= _CURL_LIMIT else "(the request is too long for a command line)"


def expected(failure: Failure) -> str:
    """What the check would have had, as far as it says so."""
    if failure.check == NO_ANSWER:
        return "an answer"
    lines = failure.message.splitlines()
    return next((line for line in lines if line.startswith(("Documented", "Expected"))), "")


def trace_id(step: Step) -> str:
    """The trace that an answer names (W3C Trace Context); empty when it names none."""
    headers = step.answer.headers if step.answer else {}
    parts = headers.get("traceparent", "").split("-")
    return parts[1] if len(parts) >= 3 and len(parts[1]) == 32 else ""


def remedy(statuses: set[int], service: str, *, authenticated: bool) -> str:
    """What to set so that requests are let in."""
    if statuses & {401, 403}:
        had = "the credentials of" if authenticated else "no credentials are set: see"
        return f"It lets nobody in with what was sent; {had} services.{service}.auth in harness.toml."
    if statuses & {404, 405}:
        return (
            "Perhaps nothing is where the document says it is: look at its servers, at its paths, and at "
            f"services.{service}.url (with the path below which the service is)."
        )
    if all(300 <= status < 400 for status in statuses):
        return f"It sends everybody somewhere else, perhaps to log in: see services.{service}.auth and its address."
    return "Examples or links in the OpenAPI document, or credentials, help to get further than its refusals."
