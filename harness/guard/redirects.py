"""Remembers who sent a client somewhere else, so that a refusal can name it; follows and forbids nothing itself."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from urllib.parse import urljoin

from harness.guard.places import Place, normal_host, place_of
from harness.guard.urls import without_credentials

__all__ = ["named_by", "redirected", "watch_geventhttpclient", "watch_requests"]

_MOST = 100
_sent: OrderedDict[Place, str] = OrderedDict()


def redirected(asked: str, location: str) -> None:
    """An answer to `asked` names another address."""
    try:
        place = place_of(urljoin(asked, location))
    except ValueError:
        return
    _sent[place] = f"the redirect that {without_credentials(asked)} answered with"
    while len(_sent) > _MOST:
        _sent.popitem(last=False)


def named_by(place: Place | str) -> str:
    """Who sent a client to a place, or to a host; empty when nobody did."""
    if isinstance(place, Place):
        return _sent.get(place, "")
    return next((said for known, said in reversed(_sent.items()) if known.host == normal_host(place)), "")


def watch_requests() -> None:
    """See the redirects that requests follows by itself."""
    from requests.sessions import SessionRedirectMixin

    original = SessionRedirectMixin.get_redirect_target

    def watched(self: Any, resp: Any) -> Any:
        target = original(self, resp)
        if target:
            redirected(str(resp.url), target)
        return target

    SessionRedirectMixin.get_redirect_target = watched  # type: ignore[method-assign]  # seen, not changed


def watch_geventhttpclient() -> None:
    """See the redirects that Locust's fast client follows by itself."""
    from geventhttpclient.useragent import CompatRequest

    original = CompatRequest.redirect

    def watched(self: Any, code: int, location: str) -> None:
        redirected(str(self.url), location)
        original(self, code, location)

    CompatRequest.redirect = watched  # type: ignore[method-assign]  # the same
