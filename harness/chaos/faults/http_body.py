"""The http_body fault: answers come with another body than the callee gave them."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.chaos.faults.fault import register
from harness.chaos.faults.http_fault import Act, Answer, HttpFault, Memory, UnchangedError, line_problem
from harness.chaos.faults.pointer import dropped, is_pointer, with_value
from harness.chaos.messages import Head
from harness.errors import did_you_mean

__all__ = ["HttpBody"]

_ACTIONS = ("drop", "set", "truncate", "malformed", "replace")
_UNPACKED_LIMIT = 32 * 1024 * 1024


@register("http_body", "answers with its body changed: {action} {field}")
@dataclass(frozen=True, slots=True)
class HttpBody(HttpFault):
    """Does `action` to the body of answers; one that cannot be changed so passes as it is, and is counted.

    `drop` takes the `field` (JSON pointer, RFC 6901) out of a JSON body; `set` gives it `value` (JSON text). `truncate` breaks
    the body off after `bytes` bytes, its Content-Length kept, and closes the connection. `malformed` makes JSON that is none, of
    the same length. `replace` puts `value`, as it stands, with `content_type` in the place of any body.
    """

    action: str = ""
    field: str = ""
    value: str = ""
    bytes: int = 0
    content_type: str = ""

    def problem(self) -> str:
        """See `Fault.problem`."""
        if self.action not in _ACTIONS:
            return f'action must be one of {", ".join(_ACTIONS)}, found "{self.action}".{did_you_mean(self.action, _ACTIONS)}'
        if not is_pointer(self.field):
            return f'field must be a JSON pointer such as /items/0/price, found "{self.field}"'
        if self.action == "drop" and not self.field:
            return "field must be given to drop it"
        if self.action == "set" and not _is_json(self.value):
            return f'value must be JSON text, found "{self.value}"'
        return line_problem("content_type", self.content_type)

    def act(self, request: Head, memory: Memory) -> Act:  # noqa: ARG002 - the same for every request
        """See `HttpFault.act`."""
        changes: dict[str, tuple[Callable[[Answer], Answer], int | None]] = {
            "drop": (self._edited, None),
            "set": (self._edited, None),
            "malformed": (_malformed, None),
            "truncate": (self._truncated, max(self.bytes, 0) + 1),
            "replace": (self._replaced, 0),
        }
        change, needs = changes[self.action]
        return Act(change=change, needs=needs)

    def _edited(self, answer: Answer) -> Answer:
        def edit(body: bytes) -> bytes:
            try:
                document = json.loads(body)
                if self.action == "drop":
                    document = dropped(document, self.field)
                else:
                    document = with_value(document, self.field, json.loads(self.value))
                return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
            except LookupError:
                raise UnchangedError(f"the body has no {self.field}") from None
            except (ValueError, RecursionError):
                raise UnchangedError("the body is not JSON") from None

        return _recoded(answer, edit)

    def _truncated(self, answer: Answer) -> Answer:
        size = max(self.bytes, 0)
        if answer.bodiless:
            raise UnchangedError("the answer has no body")
        if len(answer.body) <= size:
            raise UnchangedError(f"the body has no more than {size} bytes")
        return replace(answer, body=answer.body[:size], cut=True)

    def _replaced(self, answer: Answer) -> Answer:
        kept = self.content_type or answer.field("content-type")
        return answer.with_body(self.value.encode(), content_type=kept, content_encoding="")


def _malformed(answer: Answer) -> Answer:
    def spoil(body: bytes) -> bytes:
        text = body.rstrip()
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            raise UnchangedError("the body is not JSON") from None
        # No JSON text ends in a comma, whatever is before it.
        return text[:-1] + b"," + body[len(text) :]

    return _recoded(answer, spoil)


def _recoded(answer: Answer, edit: Callable[[bytes], bytes]) -> Answer:
    """Edit what the body says, and code it again as it was."""
    if answer.bodiless:
        raise UnchangedError("the answer has no body")
    coding = answer.field("content-encoding").strip().lower()
    if coding in {"", "identity"}:
        return answer.with_body(edit(answer.body))
    if coding not in {"gzip", "x-gzip"}:
        raise UnchangedError(f"the body is coded as {coding}")
    return answer.with_body(gzip.compress(edit(_unpacked(answer.body)), mtime=0))


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(body, _UNPACKED_LIMIT)
    except zlib.error:
        raise UnchangedError("the body is not the gzip it says it is") from None
    if not unpacker.eof:
        raise UnchangedError("the unpacked body is too large, or broken off")
    return content


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
