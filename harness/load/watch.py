"""Imported before anything else in Locust's process: sees what Locust's own statistics do not tell.

What it saw goes into a file of its own when Locust ends: users that only ask in `on_start`, tasks that end in an exception, and
who redirected a client to where it was refused.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
from locust import TaskSet, User, events

from harness.evidence import to_json
from harness.guard.redirects import watch_geventhttpclient, watch_requests
from harness.load.apart import keep_apart
from harness.load.bounded import bound_answers
from harness.load.seen import SEEN_VARIABLE, Seen
from harness.system import telling

__all__: list[str] = []

_requests: Counter[bool] = Counter()
_errors: Counter[str] = Counter()
#: When load began and ended, by the monotonic clock.
_times: dict[str, float] = {}


def _marked(owner: Any) -> None:
    """Mark the greenlet that a user, or a task set, runs in while its `on_start` goes on."""
    original_run = owner.run

    def run(self: Any) -> None:
        self.on_start = _while_starting(self.on_start)
        original_run(self)

    owner.run = run


def _while_starting(on_start: Callable[[], None]) -> Callable[[], None]:
    def starting() -> None:
        greenlet = gevent.getcurrent()
        greenlet.is_starting = True
        try:
            on_start()
        finally:
            greenlet.is_starting = False

    return starting


def _on_request(**_: Any) -> None:
    _requests[bool(getattr(gevent.getcurrent(), "is_starting", False))] += 1


def _fresh_timers() -> None:
    """A timer counts from the loop's own idea of now, which is old after a long start: the run would end early."""
    original = gevent.spawn_later

    def spawn_later(seconds: float, *arguments: Any, **named: Any) -> Any:
        gevent.get_hub().loop.update_now()
        return original(seconds, *arguments, **named)

    gevent.spawn_later = spawn_later


def _on_start(**_: Any) -> None:
    _times["start"] = time.monotonic()


def _on_stop(**_: Any) -> None:
    _times["stop"] = time.monotonic()


def _on_error(exception: BaseException, **_: Any) -> None:
    if len(_errors) < 20:
        _errors[f"{type(exception).__name__}: {exception}"[:300]] += 1


def _leave(**_: Any) -> None:
    file = os.environ.get(SEEN_VARIABLE)
    if file:
        lasted_s = _times.get("stop", time.monotonic()) - _times["start"] if "start" in _times else 0.0
        seen = Seen(requests=_requests.total(), starting=_requests[True], lasted_s=lasted_s, errors=dict(_errors))
        Path(file).write_text(to_json(seen), encoding="utf-8")


watch_requests()
watch_geventhttpclient()
bound_answers()
_fresh_timers()
keep_apart()
telling.tell_what_is_sent()
telling.watch_geventhttpclient()
_marked(User)
_marked(TaskSet)
for _hook, _listener in (
    (events.test_start, _on_start),
    (events.request, _on_request),
    (events.user_error, _on_error),
    (events.test_stop, _on_stop),
    (events.quit, _leave),
):
    _hook.add_listener(_listener)  # type: ignore[no-untyped-call]  # Locust's hooks carry no types
