"""Changes of HTTP operations: everything around their schemas."""

from __future__ import annotations

from harness.contracts.compat.rules import Level, Rule, alike

__all__ = ["RULES"]

_B, _W, _C = Level.BREAKING, Level.WARNING, Level.COMPATIBLE

RULES: tuple[Rule, ...] = (
    alike("operation_removed", _B, _B, "no longer has {where}"),
    alike("operation_removed_early", _B, _B, "no longer has {where}, before the day it was to go"),
    alike("operation_retired", _W, _W, "no longer has {where}, which was deprecated and past its day"),
    alike("operation_added", _C, _C, "has {where}, which is new"),
    alike("operation_deprecated", _C, _C, "deprecated {where}"),
    alike("operation_undeprecated", _C, _C, "no longer deprecates {where}"),
    alike("operation_id_changed", _C, _C, "calls {where} {new} instead of {old}; generated clients name it so"),
    alike("sunset_brought_forward", _W, _W, "lets {where} go on {new} instead of {old}"),
    alike("callback_removed", _B, _B, "no longer sends {where}"),
    alike("callback_added", _C, _C, "sends {where}, which is new"),
    Rule(
        "parameter_removed", _W, _B, "no longer takes the {field} of {where}", "no longer sends the {field} of {where}"
    ),
    Rule("parameter_added", _C, _C, "takes a new optional {field} in {where}", "sends a new {field} in {where}"),
    Rule("required_parameter_added", _B, _C, "now requires the {field} of {where}", "sends a new {field} in {where}"),
    Rule(
        "parameter_required",
        _B,
        _C,
        "now requires the {field} of {where}, which was optional",
        "now always sends the {field} of {where}",
    ),
    Rule(
        "parameter_optional",
        _C,
        _B,
        "no longer requires the {field} of {where}",
        "may leave out the {field} of {where}, which was always there",
    ),
    alike("parameter_style_changed", _B, _B, "writes the {field} of {where} as {new} instead of {old}"),
    alike("parameter_deprecated", _C, _C, "deprecated the {field} of {where}"),
    Rule("body_required", _B, _C, "now requires a body for {where}", "now always sends a body with {where}"),
    Rule("body_optional", _C, _B, "no longer requires a body for {where}", "may send no body with {where}"),
    Rule("body_removed", _W, _B, "no longer takes a body for {where}", "no longer sends a body with {where}"),
    Rule("body_added", _C, _C, "takes an optional body for {where}, which is new", "sends a new body with {where}"),
    Rule("media_type_removed", _B, _B, "no longer takes {gone} in {where}", "no longer returns {gone} in {where}"),
    Rule("media_type_added", _C, _C, "also takes {added} in {where}", "may also return {added} in {where}"),
    alike("encoding_changed", _W, _W, "changed how the parts of {media} are encoded in {where}"),
    Rule(
        "success_status_removed", _B, _B, "no longer takes {gone} from {where}", "no longer answers {gone} to {where}"
    ),
    Rule("error_status_removed", _B, _C, "no longer takes {gone} from {where}", "no longer answers {gone} to {where}"),
    Rule("success_status_added", _C, _W, "also takes {added} from {where}", "may now answer {added} to {where}"),
    Rule("error_status_added", _C, _C, "also takes {added} from {where}", "may now answer {added} to {where}"),
    Rule(
        "header_removed",
        _W,
        _B,
        "no longer takes the header {field} with {where}",
        "no longer sends the header {field} with {where}",
    ),
    Rule(
        "optional_header_removed",
        _W,
        _W,
        "no longer takes the optional header {field} with {where}",
        "no longer sends the optional header {field} with {where}",
    ),
    Rule(
        "header_optional",
        _C,
        _B,
        "no longer requires the header {field} with {where}",
        "may leave out the header {field} with {where}",
    ),
    Rule(
        "header_required",
        _B,
        _C,
        "now requires the header {field} with {where}",
        "now always sends the header {field} with {where}",
    ),
    Rule(
        "header_added",
        _C,
        _C,
        "takes the header {field} with {where}, which is new",
        "sends the header {field} with {where}, which is new",
    ),
    Rule(
        "required_header_added",
        _B,
        _C,
        "now requires the header {field} with {where}, which is new",
        "always sends the header {field} with {where}, which is new",
    ),
    alike("security_tightened", _B, _B, "asks for other credentials in {where}: {old} was enough, now {new}"),
    alike("security_loosened", _C, _C, "asks for fewer credentials in {where}"),
    alike("security_flow_changed", _W, _W, "changed where {where} gets its tokens"),
    alike("security_scope_removed", _W, _W, "no longer offers the scope {gone} in {where}"),
    alike("servers_replaced", _B, _B, "is no longer at {old} but at {new} ({where})"),
    alike("server_removed", _W, _W, "is no longer at {gone} ({where})"),
    alike("server_added", _C, _C, "is also at {added} ({where})"),
)
