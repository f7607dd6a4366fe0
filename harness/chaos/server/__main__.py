"""Command line of the built-in Toxiproxy server; takes the flags of `toxiproxy-server`, with one dash or two."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import uvloop

from harness.chaos.server.addresses import ApiError, bind
from harness.chaos.server.api import VERSION, Api, Metrics
from harness.chaos.server.dialling import Dialling
from harness.chaos.server.http import serve_client

__all__ = ["main"]

_log = logging.getLogger("harness.chaos.server")
#: LOG_LEVEL as the original reads it; any other word means "info".
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
    "disabled": logging.CRITICAL + 1,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness toxiproxy", description="A Toxiproxy-compatible server.", add_help=False, allow_abbrev=False
    )
    parser.add_argument("-h", "-help", "--help", action="help", help="show this message and exit")
    both = {"type": _flag, "nargs": "?", "const": True, "default": False}
    parser.add_argument("-host", "--host", default="localhost", help="host for the API to listen on")
    parser.add_argument("-port", "--port", default="8474", help="port for the API to listen on")
    parser.add_argument("-config", "--config", default="", help="JSON file with proxies to create at start")
    parser.add_argument("-seed", "--seed", type=int, default=None, help="seed for every random decision of toxics")
    parser.add_argument("-proxy-metrics", "--proxy-metrics", help="show counters of the proxies", **both)  # type: ignore[arg-type]  # argparse's stub knows no shared keyword sets
    parser.add_argument("-runtime-metrics", "--runtime-metrics", help="show counters of the process", **both)  # type: ignore[arg-type]  # as above
    parser.add_argument("-version", "--version", help="print the version", **both)  # type: ignore[arg-type]  # as above
    parser.add_argument("-dial-limit", "--dial-limit", type=float, default=30.0, help="most seconds a dial may take")
    parser.add_argument("-pass-refused", "--pass-refused", help="reset a client whose upstream refuses", **both)  # type: ignore[arg-type]  # as above
    return parser


def _flag(text: str) -> bool:
    words = {"1": True, "t": True, "true": True, "0": False, "f": False, "false": False}
    if text.lower() not in words:
        raise argparse.ArgumentTypeError("true or false")
    return words[text.lower()]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM.

    Args:
        argv: the arguments after the command's name; the process's own by default.

    Returns:
        The exit code: 0, or 1 when the API's address cannot be listened on.
    """
    options = _parser().parse_args(argv)
    if options.version:
        sys.stdout.write(f"toxiproxy-server version {VERSION}\n")
        return 0
    level = _LEVELS.get(os.environ.get("LOG_LEVEL", ""), logging.INFO)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Masking("%(levelname)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    _allow_all_descriptors()
    return uvloop.run(_serve(options))


class _Masking(logging.Formatter):
    """Lines of the log without secrets: addresses of upstreams may hold some."""

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record."""
        from harness.evidence import masked_text

        return masked_text(super().format(record))


def _allow_all_descriptors() -> None:
    # As programs in Go do: a connection takes two, and a proxy one.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(options: argparse.Namespace) -> int:
    seed = options.seed if options.seed is not None else time.time_ns()
    metrics = Metrics(proxy=options.proxy_metrics, runtime=options.runtime_metrics)
    api = Api(seed, metrics, dialling=Dialling(options.dial_limit, pass_refused=options.pass_refused))
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        sock = await bind(f"{host}:{options.port}")
    except ApiError as error:
        _log.error("%s", error.message)
        return 1
    if options.config:
        await _populate(api, Path(options.config))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await asyncio.start_server(partial(serve_client, api), sock=sock)
    _log.info("Starting Toxiproxy HTTP server on %s:%d, seed %d", *sock.getsockname()[:2], seed)
    await stop.wait()
    _log.info("Shutdown started")
    server.close()
    await api.close()
    return 0


async def _populate(api: Api, file: Path) -> None:
    try:
        body = await asyncio.to_thread(file.read_bytes)
    except OSError as error:
        _log.error("Error reading config file %s: %s", file, error.strerror)
        return
    answer = await api.populate(body)
    if answer.status == 201:
        _log.info("Populated %d proxies from file", len(api.proxies))
    else:
        _log.error("Failed to populate proxies from file: %s", answer.body.decode())


if __name__ == "__main__":
    sys.exit(main())
