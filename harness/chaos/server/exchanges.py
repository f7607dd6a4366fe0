"""The place of HTTP faults on one connection: pairs requests with answers, at the callee's end, and lets the faults act.

Bytes of exchanges nobody acts on pass as they came. Which faults act is settled when a request's head has come; the exchange
then ends as it began, but for a delay, which a change of its toxic ends at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Protocol

from harness.chaos.faults.http_fault import Act, Answer, UnchangedError
from harness.chaos.messages import Head, Kind, Piece, RequestFramer, ResponseFramer
from harness.chaos.server.link import Ending

__all__ = ["Actor", "Callee", "Caller", "Exchanges"]

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
#: What an answer's body may hold when all of it has to be seen before it can be changed.
_BODY_LIMIT = 8 * 1024 * 1024
#: Bytes, and exchanges, that may wait here before their sender is slowed down.
_HELD_LIMIT = 64 * 1024
_PIPELINE_LIMIT = 64


class Actor(Protocol):
    """A toxic above TCP as it stands on one connection."""

    def decide(self, request: Head) -> Act | None:
        """What it does to an exchange; None: nothing."""

    def unchanged(self, reason: str) -> None:
        """An answer it was to change could not be changed."""


class Callee(Protocol):
    """Where requests go: a link's destination that can also be told what will not come."""

    def write(self, data: bytes) -> None:
        """Send on."""

    def write_end(self) -> None:
        """Send on the end of the stream."""

    def close(self) -> None:
        """Close after what was written."""

    def reset(self) -> None:
        """Close with RST."""

    def withheld(self, size: int) -> None:
        """Hear that so many bytes of the caller's stream will never come."""


class Caller(Protocol):
    """Where answers go, and how to slow both senders down."""

    def feed(self, data: bytes) -> None:
        """Hand on to the downstream toxics."""

    def feed_end(self, ending: Ending) -> None:
        """Hand on the end of the stream."""

    def pause_requests(self, on: bool) -> None:
        """Read from the caller no more, or again."""

    def pause_answers(self, on: bool) -> None:
        """Read from the callee no more, or again."""


class _Exchange:
    """A request and what the caller gets for it."""

    def __init__(self, request: Head | None, acts: Sequence[tuple[Actor, Act]] = ()) -> None:
        self.request = request
        self.acts = acts
        self.forward = all(act.forward for _, act in acts)
        self.made = any(act.made is not None for _, act in acts)
        self.delays = {id(actor): act.delay_s for actor, act in acts if act.delay_s > 0}
        self.arrived: float | None = None
        self.out: list[bytes] = []
        self.done = self.cut = False
        # What the callee has answered so far, while it is being held to be changed; its end is thrown away afterwards.
        self.head: Head | None = None
        self.raw: list[bytes] | None = None
        self.body = bytearray()
        self.discard = False

    @property
    def needs(self) -> int | None:
        """Bytes of the body that must be seen before it can be changed; None: all."""
        needs = [act.needs for _, act in self.acts if act.change is not None]
        return None if None in needs else max((n for n in needs if n is not None), default=0)

    def wait(self, now: float) -> float:
        """Seconds until the answer may go out."""
        return self.arrived + sum(self.delays.values()) - now if self.arrived is not None and self.delays else 0.0

    def finish(self, answer: Answer) -> None:
        """This is the answer; what the callee has yet to say of its own is thrown away."""
        self.out.append(answer.encoded())
        self.cut = answer.cut
        self.done = self.discard = True
        self.raw = None
        self.body.clear()


class Exchanges:
    """All exchanges of one connection.

    Args:
        actors: the faults, in order; what one makes of an answer is what the next one gets.
        midway: whether the connection has been talking before; then all passes until a request begins.
    """

    def __init__(self, actors: Sequence[Actor], callee: Callee, caller: Caller, *, midway: bool = False) -> None:
        self.actors = actors
        self.callee, self.caller = callee, caller
        self._midway = midway
        self._loop = asyncio.get_running_loop()
        self._requests = RequestFramer()
        self._answers = ResponseFramer(self._method)
        self._sending: _Exchange | None = None
        # In the order of the requests: those sent on whose answer is not complete, and those the caller waits for.
        self._at_callee: deque[_Exchange] = deque()
        self._unanswered: deque[_Exchange] = deque()
        self._ended: Ending | None = None
        self._over = False
        #: Called once nothing is under way any more, when there are no faults left.
        self.retire: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- the caller's stream: a destination as far as the upstream link sees ---

    def write(self, data: bytes) -> None:
        """Take what the caller sent."""
        if self._midway:
            if not self._begins(data):
                self.callee.write(data)
                return
            self._midway = False
        self._send(self._requests.feed(data))
        if self._requests.raw and not self._at_callee and not self._answers.raw:
            # Not HTTP, so nothing the callee says may be held back because it could become an answer.
            self._answers.give_up()
            self._receive(self._answers.feed(b""))
        self._pump()

    def write_end(self) -> None:
        """The caller has no more to say."""
        self._send(self._requests.finish())
        self.callee.write_end()

    def close(self) -> None:
        """The caller's direction was cut."""
        self.callee.close()

    def reset(self) -> None:
        """The connection breaks off."""
        self.abandon()
        self.callee.reset()

    def _send(self, pieces: Iterator[Piece]) -> None:
        batch: list[bytes] = []
        for piece in pieces:
            if piece.head is not None:
                self._sending = self._begin(piece.head)
            if self._sending is None or self._sending.forward:
                batch.append(piece.raw)
            else:
                # What was sent before goes out before it is said that this will not.
                self._write(batch)
                self.callee.withheld(len(piece.raw))
            if piece.kind is Kind.END and self._sending is not None:
                self._sent(self._sending)
                self._sending = None
        self._write(batch)

    def _write(self, batch: list[bytes]) -> None:
        if batch:
            self.callee.write(b"".join(batch))
            batch.clear()

    def _begin(self, request: Head) -> _Exchange:
        acts = [(actor, act) for actor in self.actors if (act := actor.decide(request)) is not None]
        exchange = _Exchange(request, acts)
        self._unanswered.append(exchange)
        if exchange.forward:
            self._at_callee.append(exchange)
        elif request.field("expect").lower() == "100-continue":
            # The callee cannot say it, and the caller may wait for it.
            exchange.out.append(_CONTINUE)
        return exchange

    def _sent(self, exchange: _Exchange) -> None:
        """All of a request has come: answer it when nobody else will."""
        if not exchange.forward:
            assert exchange.request is not None
            self._answer_made(exchange, closing=not exchange.request.keeps_alive)

    # --- the callee's stream: a link as far as its source sees ---

    def feed(self, data: bytes) -> None:
        """Take what the callee answered."""
        if self._over:
            return
        if self._midway:
            self.caller.feed(data)
            return
        self._receive(self._answers.feed(data))
        self._pump()

    def feed_end(self, ending: Ending) -> None:
        """The callee has no more to say, or is gone."""
        if self._over:
            return
        if self._midway:
            self.caller.feed_end(ending)
            return
        if self._ended is None:
            self._receive(self._answers.finish())
        self._ended = ending if self._ended is None else max(self._ended, ending)
        self._pump()

    def _receive(self, pieces: Iterator[Piece]) -> None:
        for piece in pieces:
            exchange = self._at_callee[0] if self._at_callee else self._unasked()
            if piece.kind is Kind.RAW:
                # No answer, or what follows an upgrade: it belongs to whoever waits, and never ends.
                exchange.out += self._unchanged(exchange, "the answer is not HTTP")
                if not exchange.discard:
                    exchange.out.append(piece.raw)
            elif piece.head is not None and piece.head.status < 200 and piece.head.status != 101:
                exchange.out.append(piece.raw)
            elif piece.head is not None:
                self._answer_head(exchange, piece.head, piece.raw)
            elif piece.kind is Kind.BODY:
                self._answer_body(exchange, piece)
            else:
                self._answer_end(exchange, piece.raw)

    def _unasked(self) -> _Exchange:
        """The place of what the callee says without having been asked: after all that was."""
        if not self._unanswered or self._unanswered[-1].request is not None:
            self._unanswered.append(_Exchange(None))
        return self._unanswered[-1]

    def _answer_head(self, exchange: _Exchange, head: Head, raw: bytes) -> None:
        exchange.arrived = time.monotonic()
        exchange.head = head
        tunnel = head.status == 101 or (self._method() == "CONNECT" and head.status < 300)
        if exchange.made:
            self._answer_made(exchange, closing=tunnel or not head.keeps_alive or not _framed(head))
            return
        if tunnel:
            self._requests.give_up()
        elif any(act.change is not None for _, act in exchange.acts):
            exchange.raw = [raw]
            if exchange.needs == 0:
                self._change(exchange)
            return
        exchange.out.append(raw)

    def _answer_body(self, exchange: _Exchange, piece: Piece) -> None:
        if exchange.raw is None:
            if not exchange.discard:
                exchange.out.append(piece.raw)
            return
        exchange.raw.append(piece.raw)
        exchange.body += piece.content
        if exchange.needs is not None and len(exchange.body) >= exchange.needs:
            self._change(exchange)
        elif len(exchange.body) > _BODY_LIMIT:
            exchange.out += self._unchanged(exchange, f"the body is larger than {_BODY_LIMIT} bytes")

    def _answer_end(self, exchange: _Exchange, raw: bytes) -> None:
        if exchange.raw is not None:
            exchange.raw.append(raw)
            self._change(exchange)
        elif not exchange.discard:
            exchange.out.append(raw)
        exchange.done = True
        if self._at_callee and self._at_callee[0] is exchange:
            self._at_callee.popleft()

    def _answer_made(self, exchange: _Exchange, *, closing: bool) -> None:
        answer: Answer | None = None
        for actor, act in exchange.acts:
            if act.made is not None:
                bodiless = self._asks_for_no_body(exchange) or act.made.status in {204, 304}
                answer = replace(act.made, bodiless=bodiless)
            elif answer is not None:
                answer = self._changed(actor, act, answer)
        assert answer is not None
        if closing:
            answer = replace(answer, fields=(*answer.fields, ("Connection", "close")), cut=True)
        elif exchange.request is not None and exchange.request.http_1_0:
            answer = replace(answer, fields=(*answer.fields, ("Connection", "keep-alive")))
        if exchange.arrived is None:
            exchange.arrived = time.monotonic()
        exchange.finish(answer)

    def _change(self, exchange: _Exchange) -> None:
        head = exchange.head
        assert head is not None
        assert exchange.raw is not None
        bodiless = self._asks_for_no_body(exchange) or head.status in {204, 304}
        before = Answer(head.status, head.reason, head.fields, bytes(exchange.body), bodiless)
        answer = before
        for actor, act in exchange.acts:
            answer = self._changed(actor, act, answer)
        if answer is before:
            exchange.out += exchange.raw
            exchange.raw = None
            return
        exchange.finish(answer)

    def _changed(self, actor: Actor, act: Act, answer: Answer) -> Answer:
        if act.change is None or answer.cut:
            return answer
        try:
            return act.change(answer)
        except UnchangedError as error:
            actor.unchanged(str(error))
            return answer

    def _unchanged(self, exchange: _Exchange, reason: str) -> list[bytes]:
        """Give up changing an answer: what was held of it."""
        held, exchange.raw = exchange.raw or [], None
        exchange.body.clear()
        if held:
            for actor, act in exchange.acts:
                if act.change is not None:
                    actor.unchanged(reason)
        return held

    # --- both ---

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, so that it could as well not be there."""
        waiting = bool(self._unanswered or self._at_callee)
        return self._midway or (self._requests.between and self._answers.between and not waiting)

    def interrupt(self, actor: Actor) -> None:
        """A toxic was changed or taken away: what it delays goes out."""
        for exchange in self._unanswered:
            exchange.delays.pop(id(actor), None)
        self._pump()

    def abandon(self) -> None:
        """The connection is gone."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    def _pump(self) -> None:
        """Hand on what is ready, in the order of the requests."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch: list[bytes] = []
        while self._unanswered and not self._over:
            exchange = self._unanswered[0]
            # The loop's own clock has steps of a millisecond, so its timers may come early.
            if (wait := exchange.wait(time.monotonic())) > 0:
                self._timer = self._loop.call_later(wait, self._pump)
                break
            batch += exchange.out
            exchange.out.clear()
            if not exchange.done:
                break
            self._unanswered.popleft()
            if exchange.cut:
                self._finish(batch, Ending.CUT)
        if not self._over and self._ended is not None and self._timer is None:
            self._drop_held(batch)
            self._finish(batch, self._ended)
        elif batch and not self._over:
            self.caller.feed(b"".join(batch))
        if not self._over:
            self._hold()
            if self.retire is not None and not self.actors and self.idle:
                self.retire()

    def _drop_held(self, batch: list[bytes]) -> None:
        """The callee has ended in the middle of an answer: hand on the part that was held to be changed."""
        if self._unanswered:
            batch += self._unchanged(self._unanswered[0], "the answer broke off")

    def _finish(self, batch: list[bytes], ending: Ending) -> None:
        self._over = True
        if batch:
            self.caller.feed(b"".join(batch))
        self.caller.feed_end(ending)

    def _hold(self) -> None:
        held = sum(len(part) for exchange in self._unanswered for part in exchange.out)
        self.caller.pause_answers(held > _HELD_LIMIT)
        self.caller.pause_requests(len(self._unanswered) > _PIPELINE_LIMIT)

    def _method(self) -> str:
        request = self._at_callee[0].request if self._at_callee else None
        return request.method if request is not None else ""

    def _asks_for_no_body(self, exchange: _Exchange) -> bool:
        return exchange.request is not None and exchange.request.method == "HEAD"

    def _begins(self, data: bytes) -> bool:
        first = next(RequestFramer().feed(data), None)
        return first is not None and first.kind is Kind.HEAD


def _framed(head: Head) -> bool:
    return head.status in {204, 304} or bool(head.field("content-length") or head.field("transfer-encoding"))
