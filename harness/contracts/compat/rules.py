"""The catalogue: every kind of change, and how bad it is for what a service takes and for what it gives.

A request is read by the service and written by its consumers, a response the other way round: accepting less breaks
requests, giving more (or less surely) breaks responses. Events a service sends are judged like responses, events it
receives like requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["RULES", "Direction", "Level", "Rule"]


class Level(StrEnum):
    """Breaking: a client that kept to the old document can fail. Risky: it depends on the client. Compatible: no."""

    BREAKING = "breaking"
    RISKY = "risky"
    COMPATIBLE = "compatible"


class Direction(StrEnum):
    """Which way the data goes, seen from the service."""

    REQUEST = "request"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of change.

    Args:
        id: stable; findings carry it.
        request, response: how bad it is in either direction.
        takes, gives: what to say, for a request and for a response. `{field}` and `{where}` name the place.
    """

    id: str
    request: Level
    response: Level
    takes: str
    gives: str

    def level(self, direction: Direction) -> Level:
        """How bad it is in one direction."""
        return self.request if direction is Direction.REQUEST else self.response

    def text(self, direction: Direction) -> str:
        """What to say in one direction."""
        return self.takes if direction is Direction.REQUEST else self.gives


_B, _R, _C = Level.BREAKING, Level.RISKY, Level.COMPATIBLE


def _both(rule: str, request: Level, response: Level, text: str) -> Rule:
    return Rule(rule, request, response, text, text)


_SCHEMA = (
    Rule("field_removed", _R, _B, "no longer takes {field} in {where}", "no longer returns {field} in {where}"),
    Rule(
        "optional_field_removed",
        _R,
        _R,
        "no longer takes {field} in {where}",
        "no longer returns {field}, which was optional, in {where}",
    ),
    Rule("field_refused", _B, _C, "now refuses {field} in {where}", "no longer returns {field} in {where}"),
    Rule("field_added", _C, _C, "takes {field} in {where}, which is new", "returns {field} in {where}, which is new"),
    _both("required_field_added", _B, _C, "now requires {field} in {where}"),
    _both("field_required", _B, _C, "now requires {field}, which was optional, in {where}"),
    Rule(
        "field_optional",
        _C,
        _B,
        "no longer requires {field} in {where}",
        "may leave out {field} in {where}, which was always there",
    ),
    _both("type_changed", _B, _B, "changed the type of {field} from {old} to {new} in {where}"),
    Rule(
        "type_narrowed",
        _B,
        _C,
        "no longer takes {gone} for {field} in {where}",
        "no longer returns {gone} for {field} in {where}",
    ),
    Rule(
        "type_widened",
        _C,
        _B,
        "also takes {added} for {field} in {where}",
        "may now return {added} for {field} in {where}",
    ),
    Rule(
        "enum_value_removed",
        _B,
        _C,
        "no longer takes {gone} for {field} in {where}",
        "no longer returns {gone} for {field} in {where}",
    ),
    Rule(
        "enum_value_added",
        _C,
        _R,
        "also takes {added} for {field} in {where}",
        "may now return {added} for {field} in {where}",
    ),
    Rule(
        "enum_introduced",
        _B,
        _C,
        "now takes only {new} for {field} in {where}",
        "now returns only {new} for {field} in {where}",
    ),
    Rule(
        "enum_dropped",
        _C,
        _R,
        "takes any value for {field} in {where}, not only {old}",
        "may return any value for {field} in {where}, not only {old}",
    ),
    _both("limit_tightened", _B, _C, "tightened {what} of {field} from {old} to {new} in {where}"),
    _both("limit_loosened", _C, _R, "loosened {what} of {field} from {old} to {new} in {where}"),
    _both("pattern_added", _B, _C, "now holds {field} to the pattern {new} in {where}"),
    _both("pattern_removed", _C, _R, "no longer holds {field} to the pattern {old} in {where}"),
    _both("pattern_changed", _R, _R, "changed the pattern of {field} from {old} to {new} in {where}"),
    _both("format_added", _R, _C, "now holds {field} to the format {new} in {where}"),
    _both("format_removed", _C, _R, "no longer holds {field} to the format {old} in {where}"),
    _both("format_changed", _R, _R, "changed the format of {field} from {old} to {new} in {where}"),
    _both("extra_fields_refused", _B, _C, "no longer allows further fields in {field} in {where}"),
    _both("extra_fields_allowed", _C, _C, "allows further fields in {field} in {where}"),
    _both("alternative_removed", _B, _C, "dropped the alternative {gone} of {field} in {where}"),
    _both("alternative_added", _C, _R, "added the alternative {added} to {field} in {where}"),
    _both("exclusion_changed", _R, _R, "changed what {field} must not be in {where}"),
    _both("default_changed", _R, _C, "changed the default of {field} from {old} to {new} in {where}"),
    _both("field_deprecated", _C, _C, "deprecated {field} in {where}"),
)
_OPERATION = (
    _both("operation_removed", _B, _B, "no longer has {where}"),
    _both("operation_added", _C, _C, "has {where}, which is new"),
    _both("operation_deprecated", _C, _C, "deprecated {where}"),
    _both("parameter_removed", _R, _R, "no longer takes the {field} of {where}"),
    _both("parameter_added", _C, _C, "takes a new optional {field} in {where}"),
    _both("required_parameter_added", _B, _B, "now requires the {field} of {where}"),
    _both("parameter_required", _B, _B, "now requires the {field} of {where}, which was optional"),
    _both("parameter_optional", _C, _C, "no longer requires the {field} of {where}"),
    _both("body_required", _B, _B, "now requires a body for {where}"),
    _both("body_optional", _C, _C, "no longer requires a body for {where}"),
    _both("body_removed", _R, _R, "no longer takes a body for {where}"),
    _both("body_added", _C, _C, "takes an optional body for {where}, which is new"),
    Rule("media_type_removed", _B, _B, "no longer takes {gone} in {where}", "no longer returns {gone} in {where}"),
    Rule("media_type_added", _C, _C, "also takes {added} in {where}", "may also return {added} in {where}"),
    _both("success_status_removed", _B, _B, "no longer answers {gone} to {where}"),
    _both("error_status_removed", _C, _C, "no longer answers {gone} to {where}"),
    _both("success_status_added", _R, _R, "may now answer {added} to {where}"),
    _both("error_status_added", _C, _C, "may now answer {added} to {where}"),
    _both("header_removed", _B, _B, "no longer sends the header {field} with {where}"),
    _both("optional_header_removed", _R, _R, "no longer sends the optional header {field} with {where}"),
    _both("header_optional", _B, _B, "may leave out the header {field} with {where}"),
    _both("header_added", _C, _C, "sends the header {field} with {where}, which is new"),
    _both("security_tightened", _B, _B, "asks for other credentials in {where}: {old} was enough, now {new}"),
    _both("security_loosened", _C, _C, "asks for fewer credentials in {where}"),
)
_MESSAGE = (
    Rule("message_removed", _B, _B, "no longer receives {field} on {where}", "no longer sends {field} on {where}"),
    Rule(
        "message_added",
        _C,
        _C,
        "receives {field} on {where}, which is new",
        "sends {field} on {where}, which is new",
    ),
    _both("content_type_changed", _B, _B, "changed the content type of {field} on {where} from {old} to {new}"),
)
#: Every rule by its id.
RULES: Mapping[str, Rule] = {rule.id: rule for rule in (*_SCHEMA, *_OPERATION, *_MESSAGE)}
