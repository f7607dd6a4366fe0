"""The contracts a Pact Broker wants verified: asks for them by its links, one question for each provider.

Sends nothing back; that is `publishing`. Protocol: HAL, resource "provider pacts for verification" of the broker's API.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import anyio

from harness.contracts.pacts import Pact, PactError, pact_from_json
from harness.contracts.sources.model import Contracts, UnreadablePact
from harness.contracts.sources.web import Answer, Web, same_origin, shown
from harness.errors import InfrastructureError, UsageError
from harness.guard import without_credentials
from harness.system.model import Broker
from harness.system.values import bad_header_value, bad_url

__all__ = ["BrokerAccess", "BrokerSource", "Hal", "broker_access"]

_FOR_VERIFICATION = ("pb:provider-pacts-for-verification", "beta:provider-pacts-for-verification")
_SIDE_BY_SIDE = 8
_LIMIT_S = 120.0
_TOKEN, _USERNAME, _PASSWORD = "PACT_BROKER_TOKEN", "PACT_BROKER_USERNAME", "PACT_BROKER_PASSWORD"


@dataclass(frozen=True, slots=True)
class BrokerAccess:
    """Where a broker is, and how to be let in.

    Args:
        url: base URL, without credentials.
        authorization: value of the `Authorization` header; empty for none.
        also: hosts that its links may lead to besides, as `runtime.allow_targets` has them; credentials go to none of them.
    """

    url: str
    authorization: str = field(default="", repr=False)
    limit_s: float = 15.0
    also: Sequence[str] = ()

    @property
    def web(self) -> Web:
        """What to ask it with."""
        return Web(self.url, self.authorization, self.limit_s, also=self.also)


def broker_access(broker: Broker, env: Mapping[str, str], also: Sequence[str] = ()) -> BrokerAccess | None:
    """Find the broker of a project; None when it has none.

    `PACT_BROKER_BASE_URL` comes before the file; credentials are in `PACT_BROKER_TOKEN`, or in `PACT_BROKER_USERNAME` and
    `PACT_BROKER_PASSWORD`, or in the URL, never in the file.

    Args:
        also: see `BrokerAccess`.

    Raises:
        UsageError: when the address is none.
    """
    url = (env.get("PACT_BROKER_BASE_URL") or broker.url).strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, user, password = parts.hostname, parts.username, parts.password
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise UsageError(f"PACT_BROKER_BASE_URL is no address: {error}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise UsageError(f'PACT_BROKER_BASE_URL must start with http:// or https://, found "{shown(url)}"')
    if problem := bad_url(without_credentials(url)):
        raise UsageError(f"PACT_BROKER_BASE_URL {problem}")
    if env.get(_TOKEN) and (problem := bad_header_value(env[_TOKEN].strip())):
        raise UsageError(f"{_TOKEN} {problem}")
    shielded = f"[{host}]" if ":" in host else host
    plain = urlunsplit((parts.scheme, shielded + port, parts.path.rstrip("/"), "", ""))
    if env.get(_TOKEN):
        return BrokerAccess(plain, f"Bearer {env[_TOKEN].strip()}", also=also)
    user, password = env.get(_USERNAME) or unquote(user or ""), env.get(_PASSWORD) or unquote(password or "")
    if not user:
        return BrokerAccess(plain, also=also)
    return BrokerAccess(plain, "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(), also=also)


@dataclass(frozen=True, slots=True)
class Hal:
    """A resource as the broker describes it.

    Args:
        url: where it was.
    """

    url: str
    content: Mapping[str, Any] = field(repr=False)

    def link(self, *relations: str, **values: str) -> str:
        """The URL of the first of `relations` it has, `{name}` in it filled in; empty when it has none of them."""
        links = self.content.get("_links")
        for relation in relations:
            found = links.get(relation) if isinstance(links, Mapping) else None
            found = found[0] if isinstance(found, list) and found else found
            href = found.get("href") if isinstance(found, Mapping) else None
            if isinstance(href, str) and href:
                for name, value in values.items():
                    href = href.replace("{" + name + "}", quote(value, safe=""))
                try:
                    return urljoin(self.url + "/", href)
                except ValueError:  # it is no URL
                    return ""
        return ""


@dataclass(frozen=True, slots=True)
class BrokerSource:
    """The pacts a broker wants verified.

    Args:
        providers: names of the services it is asked about.
        settings: which versions of consumers, and whether pending and work in progress matter.
        branch: of the provider; empty when it is not known.
    """

    access: BrokerAccess
    providers: Sequence[str]
    settings: Broker
    branch: str = ""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"the broker at {self.access.url}"

    def contracts(self) -> Contracts:
        """Ask for the pacts of each provider, and get them.

        Raises:
            UsageError: when it refuses, or is no Pact Broker.
            InfrastructureError: when it cannot be reached, fails or takes too long.
        """
        return anyio.run(self._contracts)

    async def _contracts(self) -> Contracts:
        found: list[Pact] = []
        unreadable: list[UnreadablePact] = []
        limiter = anyio.CapacityLimiter(_SIDE_BY_SIDE)

        async def one(provider: str, index: Hal) -> None:
            for item in await self._listed(provider, index):
                async with limiter:
                    read = await self._pact(provider, item)
                (found if isinstance(read, Pact) else unreadable).append(read)  # type: ignore[arg-type]  # by its type

        try:
            with anyio.fail_after(_LIMIT_S):
                index = await self.index()
                await _side_by_side([lambda p=p: one(p, index) for p in self.providers])
        except TimeoutError:
            raise InfrastructureError(f"{self.name} did not hand out its pacts within {_LIMIT_S:g} s") from None
        order = sorted(found, key=lambda p: (p.pending, p.consumer, p.provider, p.origin))
        return Contracts(tuple(order), tuple(sorted(unreadable, key=lambda u: u.name)), _remarks(order))

    async def index(self) -> Hal:
        """What the broker offers.

        Raises:
            UsageError, InfrastructureError: see `contracts`.
        """
        try:
            answer = await self.access.web.get(self.access.url + "/")
        except InfrastructureError as error:
            raise InfrastructureError(f"no contracts from the broker: {error}") from None
        self._check(answer)
        index = self._hal(answer)
        if not index.link(*_FOR_VERIFICATION):
            raise UsageError(f"{self.name} is no Pact Broker: what it answers has no link {_FOR_VERIFICATION[0]}")
        return index

    async def _listed(self, provider: str, index: Hal) -> list[Mapping[str, Any]]:
        url = index.link(*_FOR_VERIFICATION, provider=provider)
        answer = await self.access.web.send("POST", url, self.question())
        if answer.status == HTTPStatus.NOT_FOUND:
            return []  # the broker has not heard of this provider: nobody published a contract with it
        self._check(answer)
        embedded = self._hal(answer).content.get("_embedded")
        pacts = embedded.get("pacts") if isinstance(embedded, Mapping) else None
        if not isinstance(pacts, list) or not all(isinstance(p, Mapping) for p in pacts):
            raise InfrastructureError(f"{self.name} did not say which pacts of {provider} are to be verified")
        return [{**p, "_at": answer.url} for p in pacts]

    def question(self) -> dict[str, object]:
        """What is asked of the resource "pacts for verification"."""
        selectors = list(self.settings.selectors)
        if not selectors:
            selectors = [{"mainBranch": True}, {"deployedOrReleased": True}]
            if self.branch:
                selectors.append({"matchingBranch": True})
        # Without a branch of the provider the broker cannot say what is pending, and what is work in progress.
        asked: dict[str, object] = {
            "consumerVersionSelectors": selectors,
            "includePendingStatus": self.settings.pending and bool(self.branch),
        }
        if self.branch:
            asked["providerVersionBranch"] = self.branch
            if self.settings.wip_since:
                asked["includeWipPactsSince"] = self.settings.wip_since
        return asked

    async def _pact(self, provider: str, item: Mapping[str, Any]) -> Pact | UnreadablePact:
        url = Hal(str(item["_at"]), item).link("self")
        if not url:
            raise InfrastructureError(f"{self.name} lists a pact of {provider} without a link to it")
        answer = await self.access.web.get(url)
        if answer.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            return UnreadablePact(shown(url), f"is listed by the broker, but is not there: it answered {answer.status}")
        self._check(answer)
        try:
            content = answer.json()
            pact = pact_from_json(content)
        except PactError as error:
            return UnreadablePact(shown(url), str(error))
        except ValueError as error:
            return UnreadablePact(shown(url), str(error))
        if pact.provider != provider:
            return UnreadablePact(shown(url), f"is a contract with {pact.provider}, listed as one with {provider}")
        return _described(pact, item, Hal(answer.url, content))

    def _hal(self, answer: Answer) -> Hal:
        try:
            content = answer.json()
        except ValueError as error:
            raise UsageError(f"{self.name} is no Pact Broker: {shown(answer.url)} {error}") from None
        if not isinstance(content, dict):
            raise UsageError(f"{self.name} is no Pact Broker: {shown(answer.url)} did not answer a JSON object")
        return Hal(answer.url.rstrip("/"), content)

    def _check(self, answer: Answer) -> None:
        """Make sure that the broker did what it was asked.

        Raises:
            UsageError, InfrastructureError: see `contracts`.
        """
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        where = shown(answer.url)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise UsageError(f"{self.name} does not let us in: {where} answered {answer.status}. {self._hint(answer)}")
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise InfrastructureError(f"{self.name} fails: {where} answered {answer.status}")
        raise UsageError(f"{self.name} refuses: {where} answered {answer.status}{_said(answer)}")

    def _hint(self, answer: Answer) -> str:
        if not self.access.authorization:
            return f"Set {_TOKEN}, or {_USERNAME} and {_PASSWORD}."
        if not same_origin(answer.url, self.access.url):  # invited by the user, and still somebody else
            return "Credentials are sent to the broker's own address only; set PACT_BROKER_BASE_URL to the one it links to."
        return (
            f"Check {_TOKEN}."
            if self.access.authorization.startswith("Bearer")
            else f"Check {_USERNAME} and {_PASSWORD}."
        )


async def _side_by_side(jobs: Sequence[Any]) -> None:
    """Run all; the first thing that goes wrong ends the others, and is raised as it is, not in a group."""
    failures: list[Exception] = []
    async with anyio.create_task_group() as tasks:

        async def one(job: Any) -> None:
            try:
                await job()
            except (UsageError, InfrastructureError) as error:
                failures.append(error)
                tasks.cancel_scope.cancel()

        for job in jobs:
            tasks.start_soon(one, job)
    if failures:
        raise failures[0]


def _described(pact: Pact, item: Mapping[str, Any], resource: Hal) -> Pact:
    """The pact with what the broker says of it."""
    said = item.get("verificationProperties")
    said = said if isinstance(said, Mapping) else {}
    pending, notices = said.get("pending") is True, said.get("notices")
    texts = [n.get("text") for n in notices if isinstance(n, Mapping)] if isinstance(notices, list) else []
    wanted = ("pb:publish-verification-results", "pb:provider", "self")
    return replace(
        pact,
        interactions=tuple(replace(i, pending=True) for i in pact.interactions) if pending else pact.interactions,
        origin=shown(resource.url),
        pending=pending,
        wip=said.get("wip") is True,
        notices=tuple(t for t in texts if isinstance(t, str) and t),
        links={relation: link for relation in wanted if (link := resource.link(relation))},
    )


def _remarks(pacts: Sequence[Pact]) -> tuple[str, ...]:
    return tuple(
        f"{p.edge}{' (wip)' if p.wip else ' (pending)' if p.pending else ''}: {n}" for p in pacts for n in p.notices[:1]
    )


def _said(answer: Answer) -> str:
    """The broker's own words on what is wrong."""
    try:
        content = answer.json()
    except ValueError:
        return ""
    errors = (content.get("errors") or content.get("error")) if isinstance(content, dict) else None
    return f": {str(errors)[:500]}" if errors else ""
