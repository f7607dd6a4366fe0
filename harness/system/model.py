"""The model of a system under test: services, resources and the edges between them. Values only; nothing here acts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from harness.guard import Invitation, place_of

__all__ = [
    "Auth",
    "BreakerPromise",
    "Broker",
    "Edge",
    "EdgeKind",
    "OnFailure",
    "Published",
    "ResilienceContract",
    "Resource",
    "RuntimeKind",
    "RuntimeSettings",
    "Service",
    "Suites",
    "System",
]


class OnFailure(StrEnum):
    """What a caller does for its own caller when an edge fails."""

    REJECT = "reject"
    DEGRADE = "degrade"
    QUEUE = "queue"
    DROP = "drop"


class EdgeKind(StrEnum):
    """What an edge carries."""

    HTTP = "http"
    EVENTS = "events"
    RESOURCE = "resource"


class RuntimeKind(StrEnum):
    """How the system is brought up."""

    PROCESS = "process"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True)
class BreakerPromise:
    """What a caller's circuit breaker on an edge promises.

    Args:
        failures: failed calls in a row after which it opens.
        open_for_s: seconds it stays open before it lets a probe through.
    """

    failures: int
    open_for_s: float


@dataclass(frozen=True, slots=True)
class ResilienceContract:
    """What an edge promises under failure.

    Args:
        budget_s: the longest the caller may wait for the callee, in seconds; None when nothing was promised.
        attempts: the most calls the caller may make for one of its own.
        on_failure: what the caller does then.
        breaker: its circuit breaker; None when none was promised.
    """

    budget_s: float | None = None
    attempts: int | None = None
    on_failure: OnFailure | None = None
    breaker: BreakerPromise | None = None

    @property
    def goes_on(self) -> bool:
        """Whether the caller can do without the callee."""
        return self.on_failure not in {OnFailure.REJECT, None}

    @property
    def behind(self) -> bool:
        """Whether users get what they always get: it is sent later, or not at all."""
        return self.on_failure in {OnFailure.QUEUE, OnFailure.DROP}


@dataclass(frozen=True, slots=True)
class Edge:
    """One caller's use of one callee.

    Args:
        caller: a service's name.
        callee: a service's or a resource's name.
        env: the environment variable that tells the caller where the callee is; empty when it cannot be told.
        url: template of that variable's value; `{url}` is the callee's base URL, `{data}` a fresh folder.
    """

    caller: str
    callee: str
    env: str = ""
    kind: EdgeKind = EdgeKind.HTTP
    url: str = ""
    contract: ResilienceContract = field(default_factory=ResilienceContract)

    @property
    def name(self) -> str:
        """`caller -> callee`, as findings and reports write it."""
        return f"{self.caller} -> {self.callee}"

    @property
    def key(self) -> str:
        """`caller:callee`, as the command line takes it."""
        return f"{self.caller}:{self.callee}"

    @property
    def template(self) -> str:
        """Template of what the caller of a resource is told; by default a SQLite file of its own."""
        return self.url or f"sqlite:///{{data}}/{self.caller}.db"


@dataclass(frozen=True, slots=True)
class Auth:
    """How to be let in by a service: a header, and either its value or a command that prints the token.

    `value` may hold `${NAME}` (from the environment) and `{token}` (what the command printed).
    """

    header: str = "Authorization"
    value: str = "Bearer {token}"
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """One deployable.

    Args:
        command: how the process runtime starts it; empty when it cannot.
        url: where it already runs; for the external runtime.
        openapi, asyncapi: path on the service (`/openapi.json`), file below the project, or URL; empty when it has none.
        ready: path that answers 2xx when it can serve; empty: ready when its port accepts connections.
        states: path of the provider-state handler, or `python:module:function`; empty when it has none.
        messages: path that answers pact's message requests with what the service would publish; empty when none.
        port: fixed port, 0 for any free one. port_env: variable that tells the service its port.
        cwd: folder to start in, relative to the project.
        start_timeout_s: how long it may take to become ready, in seconds.
    """

    name: str
    command: tuple[str, ...] = ()
    cwd: str = "."
    env: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    url: str = ""
    openapi: str = ""
    asyncapi: str = ""
    ready: str = ""
    states: str = ""
    messages: str = ""
    port: int = 0
    port_env: str = "PORT"
    start_timeout_s: float = 30.0
    auth: Auth | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """A backing resource; the process runtime gives every service that uses it a SQLite file of its own."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """How the system is brought up and where traffic may go.

    Args:
        production: accept synthetic checks only.
        allow_targets: hosts, or `host:port`, beyond loopback that fuzz, load and chaos may touch, and beyond the services
            that a project's own code may ask.
    """

    kind: RuntimeKind = RuntimeKind.PROCESS
    production: bool = False
    allow_targets: tuple[str, ...] = ()

    def invites(self, url: str) -> bool:
        """Whether fuzz, load and fault traffic may go to `url`: loopback, or a host that is allowed by name."""
        try:
            place = place_of(url)
        except ValueError:
            return False
        return Invitation.to((), self.allow_targets, loopback=True).allows(place.host, place.port)

    def invitation(self, addresses: Iterable[str]) -> Invitation:
        """Where requests may go of who walks through a system, its own code included: its services, and `allow_targets`."""
        return Invitation.to(addresses, self.allow_targets)


@dataclass(frozen=True, slots=True)
class Suites:
    """Where the project keeps its suites; paths relative to `harness.toml`."""

    contracts: str = "contracts"
    pacts: str = "contracts/pacts"
    baselines: str = "contracts/baselines"
    journeys: str = "synthetic/journeys.py"
    slos: str = "synthetic/slos.toml"
    locustfile: str = "load/locustfile.py"
    experiments: str = "chaos"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A Pact Broker, as far as the project's files speak of it; what the environment says comes on top.

    Args:
        url: its base URL; empty when only the environment may name one.
        selectors: which versions of consumers are asked for, as the broker's API takes them.
        pending: whether it is asked which pacts are pending.
        wip_since: day from which on work in progress is asked for, `YYYY-MM-DD`; empty for none.
        publish: whether results are sent back.
    """

    url: str = ""
    selectors: tuple[Mapping[str, str | bool], ...] = ()
    pending: bool = True
    wip_since: str = ""
    publish: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Where contracts come from that other projects published.

    Args:
        sources: files, folders and globs relative to `harness.toml`, and URLs; empty for the folder of the suites.
        authorization_env: environment variable whose value is sent to those URLs as the `Authorization` header.
    """

    sources: tuple[str, ...] = ()
    authorization_env: str = ""
    broker: Broker = field(default_factory=Broker)


@dataclass(frozen=True, slots=True)
class System:
    """Everything `harness.toml` says about the system under test.

    Args:
        entry: the service where users come in.
        redact: header and field names whose values are never stored.
    """

    name: str
    services: Mapping[str, Service]
    edges: tuple[Edge, ...] = ()
    resources: Mapping[str, Resource] = field(default_factory=dict)
    entry: str = ""
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    suites: Suites = field(default_factory=Suites)
    redact: tuple[str, ...] = ()
    contracts: Published = field(default_factory=Published)

    def edges_from(self, service: str) -> Iterator[Edge]:
        """Edges of which `service` is the caller, as declared."""
        return (e for e in self.edges if e.caller == service)

    def edges_to(self, service: str) -> Iterator[Edge]:
        """Edges of which `service` is the callee, as declared."""
        return (e for e in self.edges if e.callee == service)

    def service_edges(self) -> tuple[Edge, ...]:
        """Edges between two services (resources left out)."""
        return tuple(e for e in self.edges if e.callee in self.services)

    def edge(self, key: str) -> Edge | None:
        """Find an edge by `caller:callee` or `caller -> callee`; None when there is none."""
        return next((e for e in self.edges if key in {e.key, e.name}), None)

    def only(self, names: Iterable[str]) -> System:
        """Return a variant with just these services; edges to others stay, so that they can be pointed at stubs."""
        keep = set(names)
        return replace(
            self,
            services={n: s for n, s in self.services.items() if n in keep},
            edges=tuple(e for e in self.edges if e.caller in keep),
        )

    def file(self, root: Path, relative: str) -> Path:
        """Absolute path of something named relative to `harness.toml`."""
        return (root / relative).resolve()
