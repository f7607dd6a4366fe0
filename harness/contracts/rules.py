"""Every rule that a finding of the stages schema, consumer and provider may carry; a test looks that none is missing."""

from __future__ import annotations

__all__ = ["CONSUMER", "PROVIDER", "schema_rules"]

_SCHEMA = frozenset(
    {
        "schema.baseline_unreadable",
        "schema.baseline_unused",
        "schema.invalid",
        "schema.no_baseline",
        "schema.reference_outside",
        "schema.says_nothing",
        "schema.unfinished",
        "schema.unreadable",
    }
)
CONSUMER = frozenset(
    {
        "consumer.conflict",
        "consumer.cut_short",
        "consumer.file_skipped",
        "consumer.no_contract",
        "consumer.not_collected",
        "consumer.not_produced",
        "consumer.not_replayed",
        "consumer.not_tolerant",
        "consumer.pact_changed",
        "consumer.pinned_value",
        "consumer.stale_pact",
        "consumer.suite_broken",
        "consumer.test_failed",
        "consumer.timed_out",
        "consumer.unread_field",
    }
)
PROVIDER = frozenset(
    {
        "provider.ambiguous",
        "provider.answers_anything",
        "provider.died",
        "provider.empty_pact",
        "provider.expects_nothing",
        "provider.message_empty",
        "provider.message_unspecified",
        "provider.messages_unhandled",
        "provider.mismatch",
        "provider.no_answer",
        "provider.not_published",
        "provider.not_started",
        "provider.not_verified",
        "provider.pact_overlooked",
        "provider.pact_unreadable",
        "provider.scenario_deaf",
        "provider.scenario_failed",
        "provider.scenario_not_run",
        "provider.scenario_silent",
        "provider.scenario_skipped",
        "provider.scenario_unusable",
        "provider.scenarios_skipped",
        "provider.scenarios_unknown",
        "provider.state_teardown",
        "provider.state_unhandled",
        "provider.states_unchecked",
        "provider.uninvited",
        "provider.checks_nothing",
        "provider.any_status",
        "provider.any_value",
        "provider.only_readiness",
        "provider.scenario_only_readiness",
        "provider.answers_alike",
        "provider.unknown",
    }
)


def schema_rules() -> frozenset[str]:
    """The rules of the schema stage: its own, and what two versions of a document may differ in."""
    from harness.contracts.compat import RULES

    return _SCHEMA | {f"schema.{rule}" for rule in RULES}
