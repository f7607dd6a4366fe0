"""The `pact` fixture's objects: one genuine pact-python `Pact` per call, checked when its test has passed."""

from __future__ import annotations

import inspect
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from harness.contracts.pacts import Interaction, InteractionKind, pact_from_json
from harness.system.scratch import private_folder

if TYPE_CHECKING:
    from pact import Pact

    from harness.testing.replay.rerun import Replay

__all__ = ["NotExercisedError", "PactFactory"]


#: What `Pact.verify` calls the kinds of messages.
_MESSAGES = {"Async": InteractionKind.ASYNC, "Sync": InteractionKind.SYNC}


class NotExercisedError(AssertionError):
    """A test defined interactions that the consumer's code was never shown."""


class PactFactory:
    """Makes the pacts of one test; the `pact` fixture is one of these.

        def test_price(pact):
            contract = pact("orders", "catalog")
            contract.upon_receiving("a request for a record").with_request("GET", "/records/1").will_respond_with(200)
            with contract.serve() as server:
                ...call the consumer's own client with server.url...

    What comes back is a `pact.Pact`; its mock server listens on 127.0.0.1 unless told otherwise.

    Args:
        replay: what changes the answers on their way, when the test runs once more; None for the run that counts.
    """

    def __init__(self, replay: Replay | None = None) -> None:
        self._made: list[Any] = []
        self._replay = replay

    def __call__(self, consumer: str, provider: str) -> Pact:
        """Return a new, empty pact between two services, named as in `harness.toml`."""
        made = _consumer_pact()(consumer, provider)
        made.replay = self._replay
        self._made.append(made)
        return made  # type: ignore[no-any-return]  # a subclass of Pact made at run time, so that pact loads late

    def finish(self) -> list[dict[str, Any]]:
        """Check that every pact was put to work, and return them decoded.

        Raises:
            NotExercisedError: when a pact was defined but the consumer's code was never run against it.
        """
        return [made.finish() for made in self._made]

    def defined(self) -> list[dict[str, Any]]:
        """What the pacts are so far, decoded, whether or not they were put to work; none that cannot be written."""
        found = []
        for made in self._made:
            with suppress(Exception):  # a test that failed may have left a pact in any state
                found.append(made.written())
        return found


_CLASS: list[type] = []


def _consumer_pact() -> type:
    """Build the subclass once, at first use: importing pact takes a while, and most test runs never need it."""
    if not _CLASS:
        import os

        os.environ.setdefault("PACT_DO_NOT_TRACK", "true")  # a test run is nobody else's business
        import pact

        class ConsumerPact(_Checks, pact.Pact):
            pass

        _CLASS.append(ConsumerPact)
    return _CLASS[0]


class _Checks:
    """What we add to `pact.Pact`: remembering that it was used, and for what; and other answers in a replay."""

    replay: Replay | None = None

    def __init__(self, consumer: str, provider: str) -> None:
        super().__init__(consumer, provider)  # type: ignore[call-arg]  # a mixin in front of pact.Pact
        self._parties = f"{consumer} -> {provider}"
        self._servers: list[Any] = []
        self._handled: Counter[str] = Counter()
        self._refused: list[str] = []
        self._replies_shown = False

    def serve(self, addr: str = "127.0.0.1", port: int = 0, *args: Any, **options: Any) -> Any:
        """As `Pact.serve`, but on 127.0.0.1: "localhost" may mean IPv6 to the client and IPv4 to the server."""
        if self.replay is not None:
            from harness.testing.replay.served import replayed_server

            return replayed_server(self, self.replay, addr, port, *args, **options)
        server = super().serve(addr, port, *args, **options)  # type: ignore[misc]  # pact.Pact has it
        self._servers.append(server)
        return server

    def verify(self, handler: Any, kind: Any, **options: Any) -> Any:
        """As `Pact.verify`, counting the messages the handler was really given.

        Of a synchronous message pact-python shows the handler the request only. A handler with a third parameter is
        also given the replies (a tuple of text or bytes), which is what the consumer's code reads.
        """
        replies = iter(self._replies()) if kind == "Sync" and _takes_replies(handler) else None
        self._replies_shown |= replies is not None

        def counting(body: Any, metadata: Any) -> Any:
            self._handled[kind] += 1
            shown = () if replies is None else (next(replies),)
            try:
                return self._give(handler, body, metadata, *shown)
            except Exception as error:
                self._refused.append(f"its handler raised {type(error).__name__}: {error}")
                raise

        try:
            return super().verify(counting, kind, **options)  # type: ignore[misc]  # pact.Pact has it
        except Exception as error:
            errors = getattr(error, "errors", None)
            if not errors:
                raise
            error.args = ("; ".join(map(str, errors)),)  # pact only says how many there are
            raise error from errors[0].error

    def _give(self, handler: Any, *shown: Any) -> Any:
        """Give a message to its handler, in a replay as the replay makes it."""
        if self.replay is None:
            done = handler(*shown)
        else:
            from harness.testing.replay.served import handle_replayed

            done = handle_replayed(self.replay, handler, self._handled.total(), *shown)
        if inspect.isawaitable(done):
            if inspect.iscoroutine(done):
                done.close()
            raise TypeError("the handler is asynchronous and nothing awaits it: pass one that runs it to its end")
        return done

    def _replies(self) -> list[tuple[Any, ...]]:
        """Replies of every synchronous message with a request, in the order in which `Pact.verify` takes them."""
        messages = self.interactions("Sync")  # type: ignore[attr-defined]  # pact.Pact has it
        # The library frees a message once the next one is asked for, so its texts are copied at once.
        return [
            tuple(_copied(reply.contents) for reply in message.response_contents)
            for message in messages
            if message.request_contents is not None
        ]

    def finish(self) -> dict[str, Any]:
        """Return the pact decoded, after making sure that it was put to work."""
        raw = self.written()
        idle = self._why_idle(pact_from_json(raw).interactions if raw else ())
        if idle:
            raise NotExercisedError(f"the pact {self._parties} {idle}")
        return raw

    def written(self) -> dict[str, Any]:
        """Return the pact decoded."""
        with private_folder("harness-pacts-") as folder:
            self.write_file(str(folder))  # type: ignore[attr-defined]  # pact.Pact has it
            written = next(folder.iterdir(), None)
            raw: dict[str, Any] = json.loads(written.read_bytes()) if written else {}
        return raw

    def _why_idle(self, interactions: Sequence[Interaction]) -> str:
        """What was promised in the consumer's name that its code was never shown, or did not keep; empty when nothing."""
        kinds = Counter(interaction.kind for interaction in interactions)
        http, messages = kinds[InteractionKind.HTTP], kinds.total() - kinds[InteractionKind.HTTP]
        if not interactions:
            return "has no interactions: call upon_receiving(...)"
        if http and not self._servers:
            return (
                f"has {http} HTTP interactions but was never served: "
                "run the consumer's client inside `with contract.serve() as server:`"
            )
        handled = sum(min(self._handled[name], kinds[kind]) for name, kind in _MESSAGES.items())
        if handled < messages:
            return (
                f"has {messages} messages, {handled} of them reached "
                "a handler: call `contract.verify(handler, kind)`, and give every message a body"
            )
        answered = sum(i.kind is InteractionKind.SYNC and bool(i.raw.get("response")) for i in interactions)
        if answered and not self._replies_shown:
            return (
                f"has {answered} synchronous messages with replies nobody was shown: "
                'give the handler of `contract.verify(handler, "Sync")` a third parameter and read the replies there'
            )
        unmatched = [*self._refused, *(str(m) for server in self._servers for m in server.mismatches)]
        return f"was not met by its consumer: {'; '.join(unmatched)}" if unmatched else ""


def _takes_replies(handler: Any) -> bool:
    """Whether a handler can be called with body, metadata and replies."""
    try:
        inspect.signature(handler).bind(None, {}, ())
    except (TypeError, ValueError):
        return False
    return True


def _copied(contents: str | bytes | None) -> str | bytes | None:
    """Python's own copy of a text that belongs to the library."""
    return str(contents) if isinstance(contents, str) else contents
