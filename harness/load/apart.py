"""Keeps what Locust's users were given for one service from every other one, though on one machine all have the same host.

A cookie goes back to where it came from, by host *and* port, whatever its `Domain` says. Whoever is redirected to another
place arrives there without the headers that are credentials: requests and geventhttpclient drop `Authorization` alone.
"""

from __future__ import annotations

from http.cookiejar import Cookie, DefaultCookiePolicy
from typing import Any

from geventhttpclient.useragent import CompatRequest
from requests import PreparedRequest, Response
from requests.cookies import get_cookie_header
from requests.sessions import SessionRedirectMixin

from harness.evidence import is_secret_name
from harness.guard import Place, place_of

__all__ = ["keep_apart"]

_PLACE = "place"


def keep_apart() -> None:
    """Have every client of this process keep cookies and credentials apart from now on."""
    _keep_cookies()
    _keep_headers_of_requests()
    _keep_headers_of_geventhttpclient()


def _keep_cookies() -> None:
    set_ok, return_ok = DefaultCookiePolicy.set_ok, DefaultCookiePolicy.return_ok

    def marked(self: DefaultCookiePolicy, cookie: Cookie, request: Any) -> bool:
        cookie.set_nonstandard_attr(_PLACE, str(place_of(request.get_full_url())))
        return set_ok(self, cookie, request)

    def only_there(self: DefaultCookiePolicy, cookie: Cookie, request: Any) -> bool:
        place = cookie.get_nonstandard_attr(_PLACE)
        return place in {None, str(place_of(request.get_full_url()))} and return_ok(self, cookie, request)

    DefaultCookiePolicy.set_ok = marked  # type: ignore[method-assign, assignment]  # the same, and where it came from
    DefaultCookiePolicy.return_ok = only_there  # type: ignore[method-assign, assignment]  # the same, and only to there


def _keep_headers_of_requests() -> None:
    original = SessionRedirectMixin.rebuild_auth

    def rebuild_auth(self: Any, prepared_request: PreparedRequest, response: Response) -> None:
        original(self, prepared_request, response)  # type: ignore[no-untyped-call]  # requests has no types
        if _place(prepared_request.url) != _place(response.request.url):
            _drop(prepared_request.headers)
            _only_its_own_cookies(prepared_request)

    SessionRedirectMixin.rebuild_auth = rebuild_auth  # type: ignore[method-assign]  # the same, and less of it


def _only_its_own_cookies(request: PreparedRequest) -> None:
    """What was set by hand was meant for the service that was asked."""
    jar = request._cookies.copy()  # type: ignore[attr-defined]  # where requests keeps them for a redirect
    for cookie in list(jar):
        if cookie.get_nonstandard_attr(_PLACE) is None:
            jar.clear(cookie.domain, cookie.path, cookie.name)
    request._cookies = jar  # type: ignore[attr-defined]  # the same
    header = get_cookie_header(jar, request)  # type: ignore[no-untyped-call]  # the same
    if header is not None:
        request.headers["Cookie"] = header


def _keep_headers_of_geventhttpclient() -> None:
    original = CompatRequest.redirect

    def redirect(self: Any, code: int, location: str) -> None:
        before = _place(self.url)
        original(self, code, location)
        if _place(self.url) != before:
            _drop(self.headers)

    CompatRequest.redirect = redirect  # type: ignore[method-assign]  # the same, and less of it


def _drop(headers: Any) -> None:
    for name in {str(n) for n in headers if is_secret_name(str(n))}:
        del headers[name]


def _place(url: object) -> Place | None:
    try:
        return place_of(str(url))
    except ValueError:
        return None
