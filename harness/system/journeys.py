"""Journeys: something a user does, written once; driven by smoke, load, chaos and synthetic alike.

A project's `synthetic/journeys.py` reads like this:

    from harness.system import User, journey

    @journey(weight=3)
    def browse(user: User) -> None:
        page = user.get("/records", params={"limit": "20"})
        user.check(page.json()["items"], "the catalogue is not empty")

The code is synchronous and knows nothing of what drives it: plain HTTP under smoke, gevent under Locust.
"""

from __future__ import annotations

import importlib.util
import inspect
import random
import secrets
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, overload

from harness.errors import ConfigError, did_you_mean
from harness.guard import Incident, Kind, LeadsAwayError, UninvitedError, address, report
from harness.system.telling import spare_names

__all__ = [
    "Journey",
    "JourneyFailed",
    "Response",
    "Step",
    "Transport",
    "User",
    "journey",
    "load_journeys",
    "new_trace_id",
    "run_journey",
]


class Response(Protocol):
    """What a journey sees of an answer; httpx, requests and Locust's fast client all fit."""

    @property
    def status_code(self) -> int:
        """HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers, case-insensitive."""

    @property
    def text(self) -> str:
        """Body as text."""

    def json(self) -> Any:
        """Body as JSON."""


class Transport(Protocol):
    """Sends one request; raises `OSError` or the client's own error when no answer came."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: object | None,
        params: Mapping[str, str] | None,
        name: str,
        timeout_s: float,
    ) -> Response:
        """Send."""


#: A walk of more requests than this goes round in circles, perhaps after links that an answer makes up.
_MOST_REQUESTS = 1000
#: How many of the last answers are looked through for who named an address, and how much of each.
_REMEMBERED, _REMEMBERED_CHARS = 10, 100_000
#: A step that takes all of these as they come takes anything: whatever the service answers, it goes on.
_ALL_KINDS = (200, 404, 500)


class JourneyFailed(Exception):  # noqa: N818 - an outcome, told in the words of the journey
    """A journey did not go as a user would need it to."""


@dataclass(frozen=True, slots=True)
class Step:
    """One request of a journey, as seen by the user.

    `status` is 0 when no answer came; `at` in seconds since the epoch; `tagged` whether it went out as synthetic;
    `anything` whether it would have gone on whatever status came.
    """

    name: str
    method: str
    url: str
    status: int
    duration_ms: float
    at: float
    error: str = ""
    request_body: str = ""
    response_body: str = ""
    tagged: bool = False
    anything: bool = False


def new_trace_id(rng: random.Random | None = None) -> str:
    """A W3C trace id: 32 hex digits, never all zero."""
    return f"{(rng or random.SystemRandom()).getrandbits(128) or 1:032x}"


@dataclass(slots=True)
class User:
    """Somebody walking one journey once.

    Args:
        base_urls: base URL of each service.
        entry: the service that paths belong to unless a call names another.
        transport: sends the requests.
        rng: randomness for the journey; seeded.
        trace_id: W3C trace id all its requests carry.
        synthetic: whether requests are tagged `baggage: synthetic=true`.
        timeout_s: how long one request may take, in seconds.
        headers: sent with every request; a journey may add to it.
        steps: what was done so far, in order.
    """

    base_urls: Mapping[str, str]
    entry: str
    transport: Transport
    rng: random.Random = field(default_factory=random.Random)
    trace_id: str = field(default_factory=new_trace_id)
    synthetic: bool = False
    timeout_s: float = 10.0
    headers: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    _answers: list[tuple[str, Response]] = field(default_factory=list, init=False, repr=False)
    _last: tuple[object | None, Response] | None = field(default=None, init=False, repr=False)
    #: What went wrong and not well since, by the line that asked: a journey may catch that, and try the same again.
    _open: dict[tuple[str, int], str] = field(default_factory=dict, init=False, repr=False)

    def request(
        self,
        method: str,
        path: str,
        *,
        json: object | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        expect: int | Collection[int] | None = None,
        name: str = "",
        service: str = "",
    ) -> Response:
        """Send one request.

        Args:
            path: path and query at the service, or a whole URL of it, as services put into links. One that leads anywhere
                else is not followed, whoever named it.
            expect: status, or statuses, that let the journey go on; any 2xx when None.
            name: what the step is called in reports; `METHOD path` by default. Name it when the path holds an id.
            service: which service to ask; the entry by default.

        Raises:
            JourneyFailed: when no answer came, or one with another status, or the path leads somewhere else.
        """
        label = name or f"{method} {path}"
        base = self.base_urls.get(service or self.entry)
        if base is None:
            known = ", ".join(n for n in self.base_urls if n) or "none"
            raise self._failed(label, f"nobody said where {service or self.entry} is; known: {known}")
        url = self._address(base, path, label)
        sent = {
            "traceparent": f"00-{self.trace_id}-{secrets.token_hex(8)}-01",
            **({"baggage": "synthetic=true"} if self.synthetic else {}),
            **self.headers,
            **(headers or {}),
        }
        at, begun = time.time(), time.perf_counter()
        try:
            response = self.transport(
                method, url, headers=sent, json=json, params=params, name=label, timeout_s=self.timeout_s
            )
        except UninvitedError as error:
            report(Incident(Kind.UNINVITED, url, str(error), label))
            raise self._failed(label, str(error)) from error
        except Exception as error:  # each transport has its own errors; all mean that no answer came
            said = f"{type(error).__name__}: {error}"
            if "Timeout" in type(error).__name__:
                said = f"no answer within {self.timeout_s:g} s"
            self._record(label, method, url, 0, begun, at, json, said, "", sent, expect)
            raise self._failed(label, said) from error
        self._last = (json, response)
        self._answers = [*self._answers[1 - _REMEMBERED :], (f"the answer to {label}", response)]
        wrong = not _accepted(response.status_code, expect)
        error_text = f"answered {response.status_code}, expected {_shown(expect)}" if wrong else ""
        self._record(
            label,
            method,
            url,
            response.status_code,
            begun,
            at,
            json,
            error_text,
            response.text[:2000] if wrong else "",
            sent,
            expect,
        )
        if wrong:
            raise self._failed(label, f"{error_text}: {response.text[:300]}")
        self._settled()
        return response

    def get(self, path: str, **options: Any) -> Response:
        """`request("GET", ...)`."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Response:
        """`request("POST", ...)`."""
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Any) -> Response:
        """`request("PUT", ...)`."""
        return self.request("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> Response:
        """`request("DELETE", ...)`."""
        return self.request("DELETE", path, **options)

    def check(self, condition: object, message: str) -> None:
        """Fail the journey with `message` unless `condition` holds.

        A journey may catch that and look again: when the same line goes well in the end, it has gone well.
        """
        if not condition:
            raise self._failed("", message)
        self._settled()

    @property
    def unsettled(self) -> str:
        """What went wrong, in one line, and was not tried again until it went well; empty when there is no such thing."""
        return next(iter(self._open.values()), "")

    def _failed(self, label: str, what: str) -> JourneyFailed:
        text = f"{label}: {what}" if label else what
        self._open[_asking_line()] = text
        return JourneyFailed(text)

    def _settled(self) -> None:
        if self._open:
            self._open.pop(_asking_line(), None)

    def _record(
        self,
        name: str,
        method: str,
        url: str,
        status: int,
        begun: float,
        at: float,
        sent: object | None,
        error: str,
        body: str,
        headers: Mapping[str, str],
        expect: int | Collection[int] | None,
    ) -> None:
        duration = (time.perf_counter() - begun) * 1000
        shown = _body(sent) if error else ""
        tagged = any(k.lower() == "baggage" and "synthetic=true" in v for k, v in headers.items())
        anything = expect is not None and all(_accepted(s, expect) for s in _ALL_KINDS)
        self.steps.append(Step(name, method, url, status, duration, at, error, shown, body, tagged, anything))

    def _address(self, base: str, path: str, label: str) -> str:
        """The URL of a request.

        Raises:
            JourneyFailed: when it leads away from the service, or the walk goes round in circles.
        """
        if len(self.steps) >= _MOST_REQUESTS:
            raise self._failed(label, f"not sent, as this walk has made {_MOST_REQUESTS} requests already")
        try:
            return address(base, str(path))
        except LeadsAwayError as error:
            sent_by = self._who_named(str(path))
            report(Incident(Kind.UNINVITED, str(path), f"{error}; it was not followed", label, sent_by))
            by = f", as {sent_by} has it" if sent_by else ""
            raise self._failed(label, f"not sent: {error}{by}") from None

    def _who_named(self, path: str) -> str:
        """Which answer a path comes from; empty when none of the last ones holds it."""
        import json

        spelt = (path, json.dumps(path)[1:-1], json.dumps(path)[1:-1].replace("/", "\\/"))
        for said, answer in reversed(self._answers):
            head = "\n".join(str(v) for v in answer.headers.values())
            text = f"{head}\n{answer.text[:_REMEMBERED_CHARS]}"
            if any(s in text for s in spelt):
                return said
        return ""

    def keep_last_answer(self) -> None:
        """Put the bodies of the last exchange into its step: it is what a journey stumbled over that was answered well."""
        if self._last and self.steps and not self.steps[-1].error:
            sent, response = self._last
            self.steps[-1] = replace(self.steps[-1], request_body=_body(sent), response_body=response.text[:2000])


def _asking_line() -> tuple[str, int]:
    """The line of the project's code that asked: file and number."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _body(sent: object | None) -> str:
    import json

    return json.dumps(sent)[:2000] if sent is not None else ""


def _accepted(status: int, expect: int | Collection[int] | None) -> bool:
    if expect is None:
        return 200 <= status < 300
    return status == expect if isinstance(expect, int) else status in expect


def _shown(expect: int | Collection[int] | None) -> str:
    if expect is None:
        return "2xx"
    return str(expect) if isinstance(expect, int) else " or ".join(map(str, sorted(expect)))


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey's function and how often it is walked.

    Args:
        weight: its share among all journeys under load.
        entry: the service its paths belong to; the system's entry when empty.
        edges: `caller:callee` keys it is known to use; empty when nothing was said.
    """

    name: str
    function: Callable[[User], None]
    weight: int = 1
    entry: str = ""
    edges: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]


_REGISTRY: dict[str, Journey] = {}


@overload
def journey(function: Callable[[User], None], /) -> Callable[[User], None]: ...
@overload
def journey(
    *, name: str = "", weight: int = 1, entry: str = "", edges: Collection[str] = ()
) -> Callable[[Callable[[User], None]], Callable[[User], None]]: ...
def journey(
    function: Callable[[User], None] | None = None,
    /,
    *,
    name: str = "",
    weight: int = 1,
    entry: str = "",
    edges: Collection[str] = (),
) -> Any:
    """Register a function as a journey; see `Journey` for the arguments. The name is the function's by default."""

    def register(func: Callable[[User], None]) -> Callable[[User], None]:
        if inspect.iscoroutinefunction(func):
            raise TypeError(
                f"journey {func.__name__} is async; journeys are plain functions, write `def {func.__name__}`"
            )
        if weight < 0:
            raise ValueError(f"the weight of journey {func.__name__} must be 0 or more, found {weight}")
        made = Journey(name or func.__name__, func, weight, entry, tuple(edges))
        _REGISTRY[made.name] = made
        return func

    return register(function) if function is not None else register


def load_journeys(file: Path, names: Collection[str] = ()) -> tuple[Journey, ...]:
    """Import a journeys file and return what it registers, in the order written.

    This runs the project's own code: call it in a child process, not in the harness's.

    Args:
        names: keep only these; all when empty.

    Raises:
        ConfigError: when the file is missing, does not import, registers nothing, or a name is unknown.
    """
    here = Path.cwd()
    shown = str(file.relative_to(here) if file.is_relative_to(here) else file)
    if not file.is_file():
        raise ConfigError(shown, "", "there is no such file; journeys are written there.")
    _REGISTRY.clear()
    spec = importlib.util.spec_from_file_location(f"_journeys_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ConfigError(shown, "", "is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(shown, "", f"does not import: {type(error).__name__}: {error}.") from error
    found = dict(_REGISTRY)
    spare_names(found)
    if not found:
        raise ConfigError(shown, "", "registers no journey.", "functions decorated with @journey")
    for name in names:
        if name not in found:
            raise ConfigError(shown, "", f'there is no journey "{name}".{did_you_mean(name, found)}', ", ".join(found))
    return tuple(j for n, j in found.items() if not names or n in names)


def run_journey(journey: Journey, user: User) -> str:
    """Walk a journey once.

    Returns:
        What went wrong, in one line; empty when nothing did. An error of the journey's own code counts as wrong, and so does
        a failure that it caught, unless the same step went well afterwards.
    """
    try:
        journey.function(user)
    except JourneyFailed as failure:
        user.keep_last_answer()
        return str(failure)
    except (Exception, SystemExit) as error:  # the journey's own code: a KeyError on an answer fails it, and it alone
        user.keep_last_answer()
        return f"{type(error).__name__}: {error}"
    if user.unsettled:
        user.keep_last_answer()
    return user.unsettled
