"""Listens in on one connection and tells the log of calls what it heard; changes no byte and slows nothing down.

It stands at four places: what the caller sent (before every toxic), what went out to the callee, what the callee answered,
and what the caller was given (after every toxic).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from harness.chaos.messages import Kind, Piece, RequestFramer, ResponseFramer
from harness.chaos.server.calls import CallLog, CallRecord

__all__ = ["Listener"]


@dataclass(slots=True)
class _Heard:
    """A call, and where in the caller's stream its head ends (bytes)."""

    call: CallRecord
    head_end: int


class Listener:
    """What was heard on one connection.

    Args:
        log: where calls are told.
        proxy, number: of the connection.
        midway: whether the connection has been talking before; then nothing counts until a request begins.
    """

    def __init__(self, log: CallLog, proxy: str, number: int, *, midway: bool = False) -> None:
        self._log, self._proxy, self._number = log, proxy, number
        self._midway = midway
        self._requests = RequestFramer()
        self._given = ResponseFramer(lambda: _method(self._unanswered))
        self._answers = ResponseFramer(lambda: _method(self._at_callee))
        # In the order of the requests: not sent on yet, sent on and not answered by the callee, not given an answer yet.
        self._unsent: deque[_Heard] = deque()
        self._at_callee: deque[_Heard] = deque()
        self._unanswered: deque[_Heard] = deque()
        self._heard_bytes = self._sent_bytes = 0
        self._early = 0

    def early(self, data: bytes) -> None:
        """The caller has sent this while the callee is still being dialled."""
        self.sent(data)
        self._early += len(data)

    def sent(self, data: bytes) -> None:
        """The caller has sent this."""
        if self._early:
            self._early -= len(data)
            return
        if self._midway:
            if not _begins_request(data):
                return
            self._midway = False
        for piece in self._requests.feed(data):
            self._heard_bytes += len(piece.raw)
            if piece.head is not None:
                call = self._log.begin(self._proxy, self._number, piece.head)
                heard = _Heard(call, self._heard_bytes)
                self._unsent.append(heard)
                self._unanswered.append(heard)

    def sent_end(self) -> None:
        """The caller has ended its stream. HTTP clients do so when they give up, not while they wait."""
        self._end_all("gone")

    def forwarded(self, data: bytes) -> None:
        """This has gone out to the callee."""
        for heard in self._passed(len(data)):
            heard.call.forwarded = True
            self._at_callee.append(heard)
            self._log.changed(heard.call)

    def withheld(self, size: int) -> None:
        """That many bytes of the caller's stream will never go out to the callee."""
        for _ in self._passed(size):
            pass

    def answered(self, data: bytes) -> None:
        """The callee has answered this."""
        if self._midway:
            return
        for piece in self._answers.feed(data):
            if _is_final(piece) and self._at_callee:
                assert piece.head is not None
                self._at_callee[0].call.upstream_status = piece.head.status
                self._log.changed(self._at_callee[0].call)
            if piece.kind is Kind.END and self._at_callee:
                self._at_callee.popleft()

    def given(self, data: bytes) -> None:
        """The caller was given this."""
        if not self._midway:
            self._hear_given(self._given.feed(data))

    def given_end(self) -> None:
        """The caller was given the end of the stream: what it has not got by now will never come."""
        if not self._midway:
            self._hear_given(self._given.finish())
        self._end_all("cut")

    def over(self, ending: str) -> None:
        """The caller's connection is closed: `cut` or `reset` by the proxy, or the caller is `gone`."""
        self._end_all(ending)

    def _passed(self, size: int) -> Iterator[_Heard]:
        if self._midway:
            return
        self._sent_bytes += size
        while self._unsent and self._unsent[0].head_end <= self._sent_bytes:
            yield self._unsent.popleft()

    def _hear_given(self, pieces: Iterator[Piece]) -> None:
        for piece in pieces:
            if not self._unanswered:
                continue
            call = self._unanswered[0].call
            if _is_final(piece):
                assert piece.head is not None
                call.status = piece.head.status
                self._log.changed(call)
                if piece.head.status == 101:
                    self._requests.give_up()
            if piece.kind is Kind.END:
                self._unanswered.popleft()
                self._log.end(call, "answered")

    def _end_all(self, ending: str) -> None:
        while self._unanswered:
            self._log.end(self._unanswered.popleft().call, ending)


def _method(heard: deque[_Heard]) -> str:
    return heard[0].call.method if heard else ""


def _is_final(piece: Piece) -> bool:
    return piece.head is not None and (piece.head.status >= 200 or piece.head.status == 101)


def _begins_request(data: bytes) -> bool:
    first = next(RequestFramer().feed(data), None)
    return first is not None and first.kind is Kind.HEAD
