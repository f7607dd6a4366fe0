"""Sends the requests of journeys under gevent: pooled connections, one attempt each, answers within limits.

Plain urllib3, not Locust's fast client: geventhttpclient sends an idempotent request again, as often as its pool is large,
when the server closes the connection without an answer. Under load that hides the failure and multiplies the traffic.
"""

from __future__ import annotations

import json as jsonlib
from collections.abc import Mapping
from urllib.parse import urlencode

import gevent
import urllib3

from harness.guard import Answer, Intake

__all__ = ["PooledTransport"]

_PIECE = 1 << 16


class PooledTransport:
    """A transport shared by all journeys under way.

    Args:
        connections: how many to keep open for each service.
    """

    def __init__(self, connections: int) -> None:
        self._pool = urllib3.PoolManager(num_pools=64, maxsize=connections, block=False, retries=False)

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: object | None,
        params: Mapping[str, str] | None,
        name: str,  # noqa: ARG002 - for transports that keep statistics by name
        timeout_s: float,
    ) -> Answer:
        """Send one request.

        Raises:
            TimeoutError: when the answer is not complete within `timeout_s`.
            TooMuchError: when the answer goes beyond a limit.
            urllib3.exceptions.HTTPError: when no answer came.
        """
        body = None if json is None else jsonlib.dumps(json).encode()
        sent = {"accept": "*/*", **({"content-type": "application/json"} if body is not None else {}), **headers}
        full = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}" if params else url
        # urllib3's own time limits are per socket operation; a server that drips bytes would outlast them.
        limit = gevent.Timeout(timeout_s)
        try:
            with limit:
                return self._exchange(method, full, sent, body)
        except gevent.Timeout as timeout:
            if timeout is not limit:
                raise
            raise TimeoutError(f"no complete answer within {timeout_s:g} s") from None

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        answer = self._pool.request(
            method,
            url,
            headers=headers,
            body=body,
            redirect=False,
            retries=False,
            timeout=None,
            preload_content=False,
            decode_content=False,
        )
        try:
            with Intake(encoding=answer.headers.get("content-encoding", "")) as intake:
                while piece := answer.read(_PIECE):
                    intake.take(piece)
                return Answer(answer.status, answer.headers, intake.body(), url)
        except BaseException:
            answer.close()  # what is left of it must not be taken for the next one's
            raise
        finally:
            answer.release_conn()
