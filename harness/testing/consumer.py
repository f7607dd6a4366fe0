"""The `pact` fixture's objects: one genuine pact-python `Pact` per call, checked when its test has passed."""

from __future__ import annotations

import inspect
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pact import Pact

    from harness.testing.replay.rerun import Replay

__all__ = ["NotExercisedError", "PactFactory"]


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
        self._handled = 0
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
            self._handled += 1
            shown = () if replies is None else (next(replies),)
            if self.replay is None:
                return handler(body, metadata, *shown)
            from harness.testing.replay.served import handle_replayed

            return handle_replayed(self.replay, handler, self._handled, body, metadata, *shown)

        return super().verify(counting, kind, **options)  # type: ignore[misc]  # pact.Pact has it

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
        with tempfile.TemporaryDirectory() as folder:
            self.write_file(folder)  # type: ignore[attr-defined]  # pact.Pact has it
            written = next(Path(folder).iterdir(), None)
            raw: dict[str, Any] = json.loads(written.read_bytes()) if written else {}
        interactions = raw.get("interactions", [])
        http = sum("request" in i and i.get("type") == "Synchronous/HTTP" for i in interactions)
        if not interactions:
            raise NotExercisedError(f"the pact {self._parties} has no interactions: call upon_receiving(...)")
        if http and not self._servers:
            raise NotExercisedError(
                f"the pact {self._parties} has {http} HTTP interactions but was never served: "
                "run the consumer's client inside `with contract.serve() as server:`"
            )
        if self._handled < len(interactions) - http:
            raise NotExercisedError(
                f"the pact {self._parties} has {len(interactions) - http} messages, {self._handled} of them reached "
                "a handler: call `contract.verify(handler, kind)`, and give every message a body"
            )
        answered = sum(i.get("type") == "Synchronous/Messages" and bool(i.get("response")) for i in interactions)
        if answered and not self._replies_shown:
            raise NotExercisedError(
                f"the pact {self._parties} has {answered} synchronous messages with replies nobody was shown: "
                'give the handler of `contract.verify(handler, "Sync")` a third parameter and read the replies there'
            )
        unmatched = [str(m) for server in self._servers for m in server.mismatches]
        if unmatched:
            raise NotExercisedError(f"the pact {self._parties} was not met by its consumer: {'; '.join(unmatched)}")
        return raw


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
