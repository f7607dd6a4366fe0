"""Trace context: what is joined, what begins anew, what counts as synthetic."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_system.kit.tracing import TRACEPARENT, incoming_trace

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_trace_is_joined_under_a_span_of_our_own():
    trace = incoming_trace(f"00-{TRACE_ID}-00f067aa0ba902b7-00".encode(), None)
    assert trace.trace_id == TRACE_ID
    assert trace.span_id != "00f067aa0ba902b7"
    assert trace.traceparent == f"00-{TRACE_ID}-{trace.span_id}-00"


@pytest.mark.parametrize(
    "header",
    [None, b"", b"nonsense", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", f"00-{TRACE_ID}-{'0' * 16}-01".encode(),
     f"00-{TRACE_ID.upper()}-00f067aa0ba902b7-01".encode(), f"00-{TRACE_ID}-00f067aa0ba902b7-01\n".encode()],
)  # fmt: skip
def test_a_missing_or_malformed_header_begins_a_new_trace(header):
    trace = incoming_trace(header, None)
    assert trace.trace_id != TRACE_ID
    assert re.match(TRACEPARENT, trace.traceparent)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_whatever_arrives_the_trace_that_goes_on_is_well_formed(traceparent, baggage):
    headers = incoming_trace(traceparent, baggage).headers()
    assert re.match(TRACEPARENT, headers["traceparent"])
    assert headers.get("baggage", "").isascii()


@pytest.mark.parametrize(
    ("baggage", "synthetic"),
    [(b"synthetic=true", True), (b"a=b, synthetic = true;ttl=1,c=d", True), (b"synthetic=false", False),
     (b"unsynthetic=true", False), (b"synthetic=truely", False), (None, False)],
)  # fmt: skip
def test_only_the_baggage_member_synthetic_true_marks_a_synthetic_request(baggage, synthetic):
    assert incoming_trace(None, baggage).synthetic is synthetic
