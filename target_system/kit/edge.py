"""The outermost layer of a service, as plain ASGI: trace, load shedding, last resort, log line, metrics."""

import sys
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from target_system.kit.metrics import REQUEST_SECONDS, SHED
from target_system.kit.problems import Problem, problem_response
from target_system.kit.tracing import Trace, incoming_trace, set_trace

__all__ = ["Edge", "configure_logs", "log"]

_NEVER_SHED = ("/health/", "/metrics", "/admin/")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


def configure_logs(service: str) -> None:
    """Send every log line of this process to stdout as one JSON object."""
    structlog.contextvars.bind_contextvars(service=service)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )


class Edge:
    """Wraps the whole application; at most `max_in_flight` requests are inside at once."""

    def __init__(self, app: ASGIApp, service: str, max_in_flight: int) -> None:
        self._app = app
        self._service = service
        self._max_in_flight = max_in_flight
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        trace = incoming_trace(headers.get(b"traceparent"), headers.get(b"baggage"))
        set_trace(trace)
        await self._serve(scope, receive, _Answer(send, trace), trace)

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer", trace: Trace) -> None:
        begun = perf_counter()
        self._in_flight += 1
        try:
            if self._in_flight > self._max_in_flight and not scope["path"].startswith(_NEVER_SHED):
                SHED.inc()
                busy = Problem(503, "overloaded", "Too many requests are in flight.", {"Retry-After": "1"})
                await problem_response(busy, scope["path"])(scope, receive, answer)
            else:
                await self._app(scope, receive, answer)
        except Exception:
            log.exception("unhandled exception", service=self._service, trace_id=trace.trace_id)
            if answer.status:
                raise  # the answer has begun: all that is left is to break it off
            broken = Problem(500, "internal-error", "Something broke inside; the trace id leads to the log.")
            await problem_response(broken, scope["path"])(scope, receive, answer)
        finally:
            self._in_flight -= 1
            self._record(scope, answer.status, perf_counter() - begun, trace)

    def _record(self, scope: Scope, status: int, seconds: float, trace: Trace) -> None:
        route = getattr(scope.get("route"), "path", "(none)")
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        REQUEST_SECONDS.labels(method, route, str(status), str(trace.synthetic).lower()).observe(seconds)
        log.info(
            "request",
            service=self._service,
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 2),
            trace_id=trace.trace_id,
            span_id=trace.span_id,
            synthetic=trace.synthetic,
        )


_METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})


class _Answer:
    """Passes an answer on with its trace, and remembers its status."""

    def __init__(self, send: Send, trace: Trace) -> None:
        self.status = 0
        self._send = send
        self._header = (b"traceparent", trace.traceparent.encode())

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message["headers"], self._header]
        await self._send(message)
