"""Whatever is asked, answered, and cut into pieces, and whoever acts on it: each caller gets its own answers, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.chaos.faults.http_fault import Act, made_answer
from harness.chaos.messages import Head
from harness.chaos.server.exchanges import Exchanges
from harness.chaos.server.link import Ending

REQUESTS = (
    b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /%d HTTP/1.1\r\nContent-Length: 5\r\n\r\nGET /",
    b"PUT /%d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HEAD /%d HTTP/1.1\r\n\r\n",
)
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nHTTP/1.1 ",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
)
HEAD_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
MADE = made_answer(503, "no")
REPLACED = MADE.encoded()
REPLACED_HEAD = REPLACED.removesuffix(b"no")


class Ends:
    """Both ends of a connection: what came out."""

    def __init__(self) -> None:
        self.requests = self.answers = b""
        self.withheld_bytes = 0
        self.ended: Ending | None = None

    def write(self, data: bytes) -> None:
        self.requests += data

    def write_end(self) -> None: ...

    def close(self) -> None: ...

    def reset(self) -> None: ...

    def withheld(self, size: int) -> None:
        self.withheld_bytes += size

    def feed(self, data: bytes) -> None:
        self.answers += data

    def feed_end(self, ending: Ending) -> None:
        self.ended = ending

    def pause_requests(self, on: bool) -> None: ...

    def pause_answers(self, on: bool) -> None: ...


class Plan:
    """An actor that does to the exchange of path `/n` what the plan says at `n`."""

    def __init__(self, acts: Sequence[Act | None]) -> None:
        self.acts = acts

    def decide(self, request: Head) -> Act | None:
        return self.acts[int(request.path[1:])]

    def unchanged(self, reason: str) -> None:
        raise AssertionError(reason)


def pieces(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    ends = sorted(draw(st.sets(st.integers(0, len(stream)), max_size=10)))
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_request_gets_its_answer_and_the_callee_only_what_is_forwarded(data: st.DataObject) -> None:
    draw = data.draw
    count = draw(st.integers(1, 6))
    kinds = [draw(st.sampled_from(REQUESTS)) for _ in range(count)]
    requests = [kind % n for n, kind in enumerate(kinds)]
    what = [draw(st.sampled_from(["pass", "withhold", "replace"])) for _ in range(count)]
    heads = [kind.startswith(b"HEAD") for kind in kinds]
    replies = [HEAD_ANSWER if head else draw(st.sampled_from(ANSWERS)) for head in heads]
    acts = {"pass": None, "withhold": Act(forward=False, made=MADE), "replace": Act(made=MADE)}
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    expected = b""
    for kind, head, reply in zip(what, heads, replies, strict=True):
        # What is said before the final answer passes.
        interim = hints if kind == "replace" and reply.startswith(hints) else b""
        expected += reply if kind == "pass" else interim + (REPLACED_HEAD if head else REPLACED)

    async def run() -> Ends:
        ends = Ends()
        exchanges = Exchanges([Plan([acts[w] for w in what])], ends, ends)
        up = pieces(draw, b"".join(requests))
        forwarded = [reply for reply, w in zip(replies, what, strict=True) if w != "withhold"]
        down = pieces(draw, b"".join(forwarded))
        for piece in up:
            exchanges.write(piece)
        for piece in down:
            exchanges.feed(piece)
        exchanges.feed_end(Ending.END)
        return ends

    ends = asyncio.run(run())

    sent_on = b"".join(r for r, w in zip(requests, what, strict=True) if w != "withhold")
    assert ends.requests == sent_on
    assert ends.withheld_bytes == len(b"".join(requests)) - len(sent_on)
    assert ends.answers == expected
    assert ends.ended is Ending.END


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.binary(max_size=40), max_size=6))
def test_without_an_act_no_byte_is_changed_whatever_is_said(up: list[bytes], down: list[bytes]) -> None:
    async def run() -> Ends:
        ends = Ends()
        exchanges = Exchanges([Plan([])], ends, ends)
        for piece in up:
            exchanges.write(piece)
        for piece in down:
            exchanges.feed(piece)
        exchanges.write_end()
        exchanges.feed_end(Ending.END)
        return ends

    ends = asyncio.run(run())

    assert (ends.requests, ends.answers) == (b"".join(up), b"".join(down))
