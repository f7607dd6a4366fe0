"""The toxics, one in a file, each registering itself under its wire name."""

from harness.chaos.faults import (  # noqa: F401 - importing a fault registers it
    bandwidth,
    http_body,
    http_delay,
    http_fail_first,
    http_status,
    latency,
    limit_data,
    noop,
    reset_peer,
    slicer,
    slow_close,
    timeout,
)
from harness.chaos.faults.fault import FAULTS, Chunk, Fault, Interrupted, Stub, attributes_of

__all__ = ["FAULTS", "Chunk", "Fault", "Interrupted", "Stub", "attributes_of"]
