"""Whether the messages a contract expects are those of an AsyncAPI document: which one is meant, payload, headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.contracts.comparison.exchange import Body, contents_of
from harness.contracts.comparison.media import bare, is_json, matching
from harness.contracts.comparison.parameters import coerced
from harness.contracts.comparison.reporting import Reporter
from harness.contracts.comparison.results import Incompatibility
from harness.contracts.comparison.schemas import Schemas
from harness.contracts.compat.channels import Message, messages
from harness.contracts.compat.rules import Direction
from harness.contracts.pacts import InteractionKind
from harness.documents.nodes import Node

__all__ = ["MessageCheck"]

#: Metadata that brokers and frameworks put beside a message and no schema of headers names.
_NO_HEADERS = {"contenttype", "content-type"}


@dataclass(frozen=True, slots=True)
class _Expected:
    """A message as a contract expects it.

    Args:
        where: steps from the interaction to it.
        partial: whether it is read (and then need not be whole) or sent.
    """

    body: Body
    metadata: Mapping[str, Any]
    where: tuple[object, ...]
    partial: bool
    contents: tuple[object, ...] = field(default=("contents", "content"))

    @property
    def media(self) -> str:
        """Media type the contract says; empty when it says none."""
        said = [str(v) for k, v in self.metadata.items() if str(k).lower() in _NO_HEADERS and isinstance(v, str)]
        return self.body.media or (said[0] if said else "")


class MessageCheck:
    """Checks messages against one document.

    Args:
        root: the document.
    """

    def __init__(self, root: Node, schemas: Schemas) -> None:
        self._root, self._schemas = root, schemas
        self._all = tuple(messages(root.raw))

    def found(self, report: Reporter) -> Iterator[Incompatibility]:
        """What a contract's message asks for and the document does not promise."""
        raw = report.interaction.raw
        named = _references(raw)
        problem = self._unknown(named, report)
        if problem is not None:
            yield problem
            return
        if report.interaction.kind is InteractionKind.ASYNC:
            body = contents_of(raw["contents"]) if report.pact.version >= 4 and "contents" in raw else _old(raw)
            steps = ("contents", "content") if report.pact.version >= 4 else ("contents",)
            expected = _Expected(body, _metadata(raw), (), partial=True, contents=steps)
            yield from self._matched(expected, self._candidates(named, sent=True), report)
        else:
            yield from self._answered(raw, named, report)

    def _answered(self, raw: Mapping[str, Any], named: tuple[str, str], report: Reporter) -> Iterator[Incompatibility]:
        """A message that is sent to the provider, and its answers."""
        request, answers = raw.get("request"), raw.get("response")
        asked = self._candidates(named, sent=False)
        if isinstance(request, Mapping):
            expected = _Expected(contents_of(request.get("contents")), _metadata(request), ("request",), partial=False)
            found = list(self._matched(expected, asked, report))
            yield from found
            if found and any(f.severity == "error" for f in found):
                return
        operations = {m.operation_id for m in asked}
        replies = [m for m in self._all if m.reply and m.operation_id in operations]
        several = answers if isinstance(answers, list) else [answers] if isinstance(answers, Mapping) else []
        if not several:
            yield report.at("message.response.missing", "the contract holds no answer", ("response",), self._root)
        elif not replies:
            text = "an answer is expected, no operation with this message has a reply"
            yield report.at("message.reply.missing", text, ("response",), self._root.here("operations"))
        else:
            for index, answer in enumerate(several):
                if isinstance(answer, Mapping):
                    where = ("response", index)
                    body, metadata = contents_of(answer.get("contents")), _metadata(answer)
                    yield from self._matched(_Expected(body, metadata, where, partial=True), replies, report)

    def _unknown(self, named: tuple[str, str], report: Reporter) -> Incompatibility | None:
        operation, message = named
        where = ("comments", "references", "AsyncAPI")
        if operation and all(m.operation_id != operation for m in self._all):
            text = f"the document has no operation {operation}"
            return report.at(
                "message.operation.unknown", text, (*where, "operationId"), self._root.here("operations"), operation
            )
        if message and all(m.id != message or operation not in {"", m.operation_id} for m in self._all):
            text = f"{operation or 'the document'} has no message {message}"
            spec = self._root.here("operations").here(operation).here("messages") if operation else self._root
            return report.at("message.id.unknown", text, (*where, "messageId"), spec, message)
        return None

    def _candidates(self, named: tuple[str, str], *, sent: bool) -> list[Message]:
        """Messages that can be meant: those the contract names, else those that go the right way."""
        operation, message = named
        if operation or message:
            return [m for m in self._all if not m.reply and operation in {"", m.operation_id} and message in {"", m.id}]
        way = Direction.RESPONSE if sent else Direction.REQUEST
        # A document of the other side of the channel describes the same messages, turned round.
        whole = [m for m in self._all if not m.reply]
        return [m for m in whole if m.direction is way] or whole

    def _matched(self, expected: _Expected, candidates: Sequence[Message], report: Reporter) -> list[Incompatibility]:
        """What is wrong with the message that is meant: the hinted one, else the one that fits best."""
        hinted = _hinted(candidates, expected, report.interaction.description)
        best: list[Incompatibility] | None = None
        tied = False
        for message in hinted or candidates:
            found = list(self._against(message, expected, report))
            errors = sum(f.severity == "error" for f in found)
            if not errors:
                return found
            before = None if best is None else sum(f.severity == "error" for f in best)
            tied = tied or before is not None
            if before is None or errors < before:
                best = found
        if best is not None and (not tied or hinted):
            return best
        names = ", ".join(dict.fromkeys(f"{m.name} on {m.channel}" for m in candidates)) or "none"
        where = (*expected.where, *expected.contents)
        text = f"none of the document's messages can be this one; it has {names}"
        return [report.at("message.no.match", text, where, self._root.here("channels"), expected.body.content)]

    def _against(self, message: Message, expected: _Expected, report: Reporter) -> Iterator[Incompatibility]:
        if expected.media and not matching(expected.media, [message.content_type]):
            text = f"{expected.media} is expected, {message.name} is {message.content_type}"
            where = (*expected.where, "metadata", "contentType")
            yield report.at("message.content-type.incompatible", text, where, message.node, expected.media)
            return
        yield from self._payload(message, expected, report)
        yield from self._headers(message, expected, report)

    def _payload(self, message: Message, expected: _Expected, report: Reporter) -> Iterator[Incompatibility]:
        where, schema = (*expected.where, *expected.contents), message.payload()
        if not expected.body.exists:
            return
        if not schema.exists:
            text = f"{message.name} has no schema for its payload"
            yield report.at("message.payload.unknown", text, where, message.node, expected.body.content)
        elif message.foreign or not is_json(expected.media or message.content_type):
            text = f"a payload described in {message.schema_format or bare(message.content_type)} is not checked here"
            yield report.at("message.payload.unvalidatable", text, where, schema)
        elif not self._schemas.usable(schema, expected=expected.partial):
            yield report.at("message.payload.unvalidatable", "its schema cannot be used", where, schema)
        else:
            for problem in self._schemas.problems(schema, expected.body.content, expected=expected.partial):
                yield report.problem("message.payload.incompatible", f"{message.name}, the payload", where, problem)

    def _headers(self, message: Message, expected: _Expected, report: Reporter) -> Iterator[Incompatibility]:
        schema, where = message.headers(), (*expected.where, "metadata")
        # What only says which message it is, such as the topic, is for the broker and no header.
        address = {message.channel, message.name, message.id}
        named = {name for name, _ in schema.followed().here("properties").items()}
        said = {
            str(k): v
            for k, v in expected.metadata.items()
            if k in named or not (str(k).lower() in _NO_HEADERS or (isinstance(v, str) and v in address))
        }
        if not schema.exists or not said:
            return
        value = coerced(schema, said)
        if self._schemas.fits(schema, said, expected=expected.partial):
            return
        for problem in self._schemas.problems(schema, value, expected=expected.partial):
            yield report.problem("message.headers.incompatible", f"{message.name}, the headers", where, problem)


def _hinted(candidates: Sequence[Message], expected: _Expected, description: str) -> list[Message]:
    """Messages the contract speaks of: by channel or type in its metadata, by type in the event, by its description."""
    said = {v for v in expected.metadata.values() if isinstance(v, str)}
    content = expected.body.content
    if isinstance(content, Mapping):
        said |= {v for k in ("type", "eventType", "event_type") if isinstance(v := content.get(k), str)}
    by_name = [m for m in candidates if {m.name, m.id} & said]
    by_channel = [m for m in candidates if m.channel in said]
    both = [m for m in by_name if m in by_channel]
    by_text = [m for m in candidates if description in {m.name, m.id, m.node.text("title")}]
    return both or by_name or by_channel or by_text


def _references(raw: Mapping[str, Any]) -> tuple[str, str]:
    """Operation and message a contract names in `comments.references.AsyncAPI`; empty where it does not."""
    here: object = raw.get("comments")
    for step in ("references", "AsyncAPI"):
        here = here.get(step) if isinstance(here, Mapping) else None
    if not isinstance(here, Mapping):
        return "", ""
    return str(here.get("operationId") or ""), str(here.get("messageId") or "")


def _old(raw: Mapping[str, Any]) -> Body:
    return Body(raw["contents"]) if "contents" in raw else Body()


def _metadata(raw: Mapping[str, Any]) -> Mapping[str, Any]:
    found = raw.get("metadata") or raw.get("metaData")
    return found if isinstance(found, Mapping) else {}
