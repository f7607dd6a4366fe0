"""Changes of messages on channels, and of the servers they go over."""

from __future__ import annotations

from harness.contracts.compat.rules import Level, Rule, alike

__all__ = ["RULES"]

_B, _W, _C = Level.BREAKING, Level.WARNING, Level.COMPATIBLE

RULES: tuple[Rule, ...] = (
    Rule("channel_removed", _B, _B, "no longer receives anything on {where}", "no longer sends anything on {where}"),
    alike("channel_address_changed", _B, _B, "uses {new} instead of {old} for the channel {field}"),
    Rule("message_removed", _B, _B, "no longer receives {field} on {where}", "no longer sends {field} on {where}"),
    Rule(
        "message_added",
        _C,
        _C,
        "receives {field} on {where}, which is new",
        "sends {field} on {where}, which is new",
    ),
    alike("message_deprecated", _C, _C, "deprecated {field} on {where}"),
    alike("content_type_changed", _B, _B, "changed the content type of {field} on {where} from {old} to {new}"),
    alike("schema_language_changed", _W, _W, "describes {field} on {where} in {new} instead of {old}"),
    alike("payload_not_understood", _W, _W, "changed {field} on {where}; {language} is not understood here"),
    alike("correlation_id_changed", _W, _W, "changed where {field} on {where} has its correlation id"),
    alike("message_bindings_changed", _W, _W, "changed what {field} on {where} means to the broker (bindings)"),
    alike("broker_removed", _B, _B, "is no longer reached over the server {field} ({where})"),
    alike("broker_added", _C, _C, "is also reached over the server {field} ({where})"),
    alike("broker_address_changed", _W, _W, "moved the server {field} from {old} to {new}"),
    alike("broker_protocol_changed", _B, _B, "speaks {new} instead of {old} on the server {field}"),
    alike("broker_security_changed", _B, _B, "asks for {new} instead of {old} on the server {field}"),
)
