"""Every promise fires when it is broken, keeps quiet when it is kept, and says what happened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.allowance import allowed_s
from harness.chaos.experiments import Expect
from harness.chaos.explore.fallbacks import Fallback
from harness.chaos.explore.judging import Broken, Kind, judge
from harness.chaos.explore.observation import Baseline, BreakerSeen, Observation
from harness.chaos.explore.promises import Promise
from harness.system.model import BreakerPromise, OnFailure
from tests.chaos.explore.scenes import T0, TRACE, call, edge, sample, scene, step, window

REJECTED = Promise(Expect.REJECTED, 0.5, 2)
DEGRADED = Promise(Expect.DEGRADED, 0.5, 2)


def judged(seen: Observation, promised: Promise = REJECTED) -> list[Broken]:
    return judge(seen, promised, recovery_s=2.0, wait_s=5.0)


def kinds(seen: Observation, promised: Promise = REJECTED) -> set[Kind]:
    return {b.kind for b in judged(seen, promised)}


def test_a_cell_in_which_all_is_kept_has_nothing_to_say() -> None:
    assert judged(scene()) == []


def test_a_service_that_ended_is_told_and_nothing_is_said_of_its_recovery() -> None:
    seen = scene(died=["shop"], recovery_s=None, ready_after=False)

    [broken] = judged(seen)

    assert (broken.kind, broken.key, broken.timing) == (Kind.DIED, "shop", False)


def test_no_answer_is_told_with_the_longest_wait() -> None:
    seen = scene(during=[sample(step(0, 3.0, error="no answer")), sample(step(0, 4.0, error="no answer within 4 s"))])

    broken = judged(seen)[0]

    assert (broken.kind, broken.detail) == (Kind.NO_ANSWER, "no answer within 4 s")
    assert broken.text == "buy got no answer to POST /orders after 4.0 s"


def test_a_wait_beyond_the_budget_is_told_for_all_attempts_together() -> None:
    slow = window(call(T0, 0.6), call(T0 + 0.7, 0.6))

    [broken] = judged(scene(windows=[slow]))

    assert broken.kind is Kind.BUDGET
    assert broken.timing
    assert broken.text == "shop waited 1.3 s; shop -> bank promises 500 ms"
    assert broken.samples[0].trace_id == TRACE


def test_a_call_nobody_gave_up_counts_until_the_failure_was_lifted() -> None:
    assert kinds(scene(windows=[window(call(T0, None))])) == {Kind.BUDGET}


def test_two_wishes_have_a_budget_each() -> None:
    one, other = call(T0, 0.5, path="/a"), call(T0 + 0.5, 0.5, path="/b")

    assert kinds(scene(windows=[window(one, other)])) == set()


@pytest.mark.parametrize("waited", [0.1, 0.5, allowed_s(0.5) - 0.01])
def test_a_wait_within_the_budget_and_what_the_machine_may_add_is_kept_quiet(waited: float) -> None:
    assert kinds(scene(windows=[window(call(T0, waited))])) == set()


def test_the_budget_of_an_edge_says_nothing_of_steps_that_do_not_come_there() -> None:
    slow = sample(step(503, 1.5))
    met = {"POST /orders": frozenset({"shop:stock"}), "GET /orders": frozenset({"shop:bank"})}
    elsewhere = Baseline("buy", "shop", 1, {"POST /orders": 0.02}, {}, met=met)
    there = replace(elsewhere, met={"POST /orders": frozenset({"shop:bank"})})
    nobody_knows = replace(elsewhere, met={"POST /orders": frozenset()})

    assert kinds(scene(during=[slow], baseline=elsewhere)) == set()
    assert kinds(scene(during=[slow], baseline=there)) == {Kind.ENTRY_TIME}
    assert kinds(scene(during=[slow], baseline=replace(elsewhere, met={}))) == {Kind.ENTRY_TIME}
    assert kinds(scene(during=[slow], baseline=nobody_knows)) == {Kind.ENTRY_TIME}


def test_without_a_budget_no_wait_of_the_caller_is_too_long() -> None:
    assert kinds(scene(edge(None), windows=[window(call(T0, 4.0))]), Promise(Expect.REJECTED, None)) == set()


def test_a_caller_that_was_given_up_while_it_waited_has_too_long_a_budget() -> None:
    [broken] = judged(scene(windows=[window(call(T0, 0.4), took_s=0.3, left=True)]))

    assert (broken.kind, broken.key, broken.timing) == (Kind.BUDGET, "caller", True)
    assert broken.text == "shop still waited when whoever had asked it for POST /orders gave up, after 300 ms"


def test_whoever_is_given_up_without_having_asked_waits_for_something_else() -> None:
    assert kinds(scene(windows=[window(left=True)])) == set()


def test_an_entry_that_keeps_users_longer_than_promised_is_told() -> None:
    [broken] = judged(scene(during=[sample(step(503, 1.2))]))

    assert broken.kind is Kind.ENTRY_TIME
    assert broken.text == "buy waited 1.2 s for POST /orders; 500 ms is promised"


def test_an_entry_may_take_its_usual_time_on_top_and_the_budget_for_each_wish() -> None:
    several = Baseline("buy", "shop", 1, {"POST /orders": 0.3}, {"shop:bank": 1}, fan=2)

    assert kinds(scene(during=[sample(step(503, 1.2))], baseline=several)) == set()


def test_where_nobody_promised_the_stage_s_limit_holds() -> None:
    silent = Promise(Expect.REJECTED, None)

    assert kinds(scene(during=[sample(step(503, 4.0))]), silent) == set()
    assert kinds(scene(during=[sample(step(503, 7.0))]), silent) == {Kind.ENTRY_TIME}


def test_undeclared_answers_are_told_once_for_each_service_and_status() -> None:
    seen = scene(
        undeclared=[
            ("shop", "POST /orders", 500, TRACE),
            ("shop", "POST /orders", 500, TRACE),
            ("shop", "POST /orders", 418, TRACE),
        ]
    )

    broken = judged(seen)

    assert [(b.kind, b.key) for b in broken] == [(Kind.ANSWER, "shop:500"), (Kind.ANSWER, "shop:418")]
    assert "no reason for 500" in broken[0].detail
    assert "does not declare" in broken[1].detail


def test_a_journey_that_fails_where_less_was_promised_is_told() -> None:
    seen = scene(edge(on_failure=OnFailure.DEGRADE), during=[sample(step(503)), sample(step(200))])

    [broken] = judged(seen, DEGRADED)

    assert (broken.kind, broken.text) == (Kind.SERVED, "only 1 of 2 of buy was served, with less")


def test_a_journey_that_fails_where_nothing_may_be_felt_is_told() -> None:
    [broken] = judged(scene(failure="slow"), Promise(Expect.FULL, None, 2))

    assert (broken.kind, broken.text) == (Kind.SERVED, "only 0 of 1 of buy went through as promised")


def test_a_refusal_is_the_promise_where_refusal_was_promised() -> None:
    refused = sample(step(503, error="answered 503"), ok=False)

    assert kinds(scene(during=[refused])) == set()


def test_a_journey_that_finds_something_wrong_without_a_refusal_is_told() -> None:
    wrong = sample(step(200), ok=False, error="the total is 0")

    [broken] = judged(scene(during=[wrong]))

    assert (broken.kind, broken.text) == (Kind.SERVED, "buy went wrong: the total is 0")


def test_where_no_edge_promises_nothing_is_asked_of_the_journey() -> None:
    wrong = sample(step(200), ok=False, error="the total is 0")

    assert kinds(scene(during=[wrong]), Promise(None, None)) == set()


@given(attempts=st.integers(1, 5), usual=st.integers(1, 3), count=st.integers(1, 20))
def test_more_calls_than_promised_for_one_wish_are_told_and_never_fewer(attempts: int, usual: int, count: int) -> None:
    calls = [call(T0 + n / 1000, 0.001) for n in range(count)]
    base = Baseline("buy", "shop", 1, {}, {"shop:bank": usual})
    seen = scene(edge(attempts=attempts), windows=[window(*calls)], calls=calls, baseline=base)

    assert (Kind.ATTEMPTS in kinds(seen)) is (count > attempts * usual)


def test_calls_for_different_wishes_are_no_attempts() -> None:
    calls = [call(T0 + n / 1000, 0.001, path=f"/charges/{n}", idempotency_key="") for n in range(9)]

    assert kinds(scene(windows=[window(*calls)], calls=calls)) == set()


@pytest.mark.parametrize("on", [edge(attempts=None), edge(on_failure=OnFailure.QUEUE)])
def test_without_a_promise_or_with_a_queue_any_number_of_calls_is_kept_quiet(on) -> None:
    calls = [call(T0 + n / 1000, 0.001) for n in range(9)]

    assert Kind.ATTEMPTS not in kinds(scene(on, windows=[window(*calls)], calls=calls), Promise(Expect.REJECTED, 0.5))


def test_retries_above_that_multiply_those_below_are_told_as_amplification_only() -> None:
    calls = [call(T0 + n / 100, 0.001) for n in range(4)]
    twice = [window(*calls[:2], took_s=0.015), window(*calls[2:], began=T0 + 0.018, took_s=0.02)]

    [broken] = judged(scene(windows=twice, calls=calls))

    assert broken.kind is Kind.AMPLIFICATION
    assert broken.text == "one POST /orders came to bank 4 times: retries above shop multiply its own"


def test_what_one_caller_repeats_alone_is_no_amplification() -> None:
    calls = [call(T0 + n / 100, 0.001) for n in range(4)]

    assert kinds(scene(windows=[window(*calls)], calls=calls)) == {Kind.ATTEMPTS}


def test_a_caller_asked_twice_may_ask_as_often_as_promised() -> None:
    calls = [call(T0), call(T0 + 0.05)]
    twice = [window(calls[0], took_s=0.04), window(calls[1], began=T0 + 0.045)]

    assert kinds(scene(windows=twice, calls=calls)) == set()


def test_a_post_without_key_that_is_repeated_is_told_and_one_with_a_key_is_not() -> None:
    bare = [call(T0, idempotency_key=""), call(T0 + 0.06, idempotency_key="")]

    [broken] = judged(scene(windows=[window(*bare)], calls=bare))

    assert (broken.kind, broken.timing) == (Kind.REPEATED, False)
    assert broken.text == "shop repeated POST /charges, which has no Idempotency-Key, twice"
    assert kinds(scene(windows=[window(call(T0), call(T0 + 0.06))])) == set()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_what_may_be_repeated_may_be_repeated_without_key(method: str) -> None:
    calls = [call(T0, method=method, idempotency_key=""), call(T0 + 0.06, method=method, idempotency_key="")]

    assert kinds(scene(windows=[window(*calls)])) == set()


def test_posts_that_are_always_sent_several_times_are_not_repeated() -> None:
    calls = [call(T0, idempotency_key=""), call(T0 + 0.06, idempotency_key="")]
    base = Baseline("buy", "shop", 1, {}, {"shop:bank": 2})

    assert Kind.REPEATED not in kinds(scene(windows=[window(*calls)], baseline=base))


NEW_KEYS = [call(T0, idempotency_key="a"), call(T0 + 0.06, idempotency_key="b")]


def test_a_post_that_is_sent_again_with_another_key_is_told() -> None:
    [broken] = judged(scene(windows=[window(*NEW_KEYS)], calls=NEW_KEYS))

    assert (broken.kind, broken.key) == (Kind.REPEATED, "anew")
    assert broken.text == "shop repeated POST /charges with another Idempotency-Key, twice"


def test_posts_with_keys_of_their_own_that_do_not_wait_for_each_other_are_not_repeated() -> None:
    together = [call(T0, idempotency_key="a"), call(T0 + 0.01, idempotency_key="b")]

    assert kinds(scene(windows=[window(*together)], calls=together)) == set()


def test_posts_with_as_many_keys_as_when_all_is_well_are_not_repeated() -> None:
    base = Baseline("buy", "shop", 1, {"POST /orders": 0.02}, {"shop:bank": 1}, keys={"shop:bank": 2})

    assert kinds(scene(windows=[window(*NEW_KEYS)], calls=NEW_KEYS, baseline=base)) == set()


def test_a_caller_that_may_go_on_may_go_on_to_the_next_thing_it_wants() -> None:
    on = edge(on_failure=OnFailure.DEGRADE)
    seen = scene(on, windows=[window(*NEW_KEYS)], calls=NEW_KEYS, during=[sample(step(201))])

    assert kinds(seen, DEGRADED) == set()


def fell_back() -> Fallback:
    failed = call(T0, method="GET", path="/stock/1")
    instead = call(T0 + 0.1, method="GET", path="/stock")
    return Fallback(window(failed, instead), failed, instead)


def test_a_fallback_on_what_has_just_failed_is_told() -> None:
    on = edge(on_failure=OnFailure.DEGRADE)

    [broken] = judged(scene(on, during=[sample(step(201))], fallbacks=[fell_back()]), DEGRADED)

    assert (broken.kind, broken.timing) == (Kind.FALLBACK, False)
    assert broken.text == "shop fell back on bank itself: GET /stock/1 had failed, and it asked for GET /stock"
    assert broken.detail.startswith("A fallback must not need what has just failed. 1 of 1 calls show this.")


def test_who_cannot_do_without_may_look_into_what_became_of_it() -> None:
    assert kinds(scene(fallbacks=[fell_back()])) == set()


def test_a_journey_beside_that_fails_as_well_is_told() -> None:
    seen = scene(siblings=[sample(step(503), journey="look", error="answered 503")])

    [broken] = judged(seen)

    assert (broken.kind, broken.timing, broken.key) == (Kind.BULKHEAD, True, "look")
    assert broken.text == "look, which does not use shop -> bank, failed as well"


def test_a_journey_beside_that_becomes_slow_is_told_and_one_that_does_not_is_not() -> None:
    [broken] = judged(scene(siblings=[sample(step(200, 0.5), journey="look")]))

    assert broken.text == "look, which does not use shop -> bank, took 0.5 s instead of 20 ms"
    assert judged(scene(siblings=[sample(step(200, 0.3), journey="look")])) == []


def test_a_journey_beside_that_does_nothing_is_no_reason_to_stop() -> None:
    assert judged(scene(siblings=[sample(journey="look")])) == []


def test_readiness_that_goes_red_is_told_only_where_it_can_do_without() -> None:
    kept = scene(ready_during=False)
    told = scene(edge(on_failure=OnFailure.DEGRADE), during=[sample(step(200))], ready_during=False)

    assert kinds(kept) == set()
    assert [(b.kind, b.key) for b in judged(told, DEGRADED)] == [(Kind.READINESS, "during")]


@pytest.mark.parametrize(("after", "expected"), [(False, {Kind.READINESS}), (True, set()), (None, set())])
def test_readiness_that_stays_red_is_told(after: bool | None, expected: set[Kind]) -> None:
    assert kinds(scene(ready_after=after)) == expected


PROMISED = BreakerPromise(failures=5, open_for_s=1.0)
GOOD = BreakerSeen(5, opened=True, probe_after_s=1.2, reopened_after=1)


@pytest.mark.parametrize(
    ("breaker", "text"),
    [
        (GOOD, None),
        (replace(GOOD, failures=6), None),  # two attempts: the call under way when it opened was repeated
        (replace(GOOD, failures=7), "let 7 calls fail in a row; it promises to open after 5"),
        (BreakerSeen(14, opened=False), "let 14 calls fail in a row, and was not open even then"),
        (BreakerSeen(3, opened=False, hidden=True), None),
        (replace(GOOD, leaked=2), "let 2 calls through within 1 s of opening"),
        (replace(GOOD, probe_after_s=3.0, refused_after_s=1.4), None),  # asked late, on a busy machine
        (replace(GOOD, probe_after_s=3.0, refused_after_s=2.9), "let no probe through after 1 s"),
        (BreakerSeen(5, opened=True), "let no probe through after 1 s"),
        (replace(GOOD, reopened_after=5), None),  # as often as before, at most
        (replace(GOOD, reopened_after=9), "stayed closed although its probe had failed"),
        (replace(GOOD, reopened_after=None), "stayed closed although its probe had failed"),
    ],
)
def test_a_circuit_breaker_is_held_to_all_it_promises(breaker: BreakerSeen, text: str | None) -> None:
    on = edge(breaker=PROMISED)

    broken = judged(scene(on, failure="breaker", breaker=breaker), replace(REJECTED, open_s=1.0))

    assert [b.kind for b in broken] == [Kind.BREAKER] * (text is not None)
    assert all(b.text.startswith("the circuit breaker of shop -> bank let") or "stayed" in b.text for b in broken)
    assert all(b.timing for b in broken)  # its window, its pause and its probe are times
    assert all(text in b.text for b in broken if text)


def test_a_probe_may_wait_for_the_breakers_above() -> None:
    seen = scene(
        edge(breaker=PROMISED), failure="breaker", breaker=replace(GOOD, probe_after_s=2.4, refused_after_s=2.2)
    )

    assert judged(seen, replace(REJECTED, open_s=2.0)) == []


def test_breakers_on_the_way_have_their_time_before_all_must_go_well() -> None:
    seen = scene(recovery_s=2.8)

    assert kinds(seen) == {Kind.RECOVERY}
    assert judged(seen, replace(REJECTED, open_s=1.0)) == []


@pytest.mark.parametrize(("took", "expected"), [(None, {Kind.RECOVERY}), (2.5, {Kind.RECOVERY}), (1.9, set())])
def test_a_recovery_that_is_late_or_never_seen_is_told(took: float | None, expected: set[Kind]) -> None:
    assert kinds(scene(recovery_s=took)) == expected


def test_invariants_that_do_not_hold_are_told_one_by_one() -> None:
    lost = [sample(step(200), ok=False, journey=name, error="1 is lost") for name in ("money", "stock")]

    broken = judged(scene(invariants=lost))

    assert [(b.kind, b.key) for b in broken] == [(Kind.INVARIANT, "money"), (Kind.INVARIANT, "stock")]
    assert broken[0].text == "money did not hold afterwards: 1 is lost"


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_longer_limit_never_allows_less(one: float, other: float) -> None:
    assert allowed_s(min(one, other)) <= allowed_s(max(one, other))
    assert allowed_s(one) > one


#: Still goes wrong when it should go well again.
LATE_WALK = replace(sample(step(503), error="answered 503"), started=T0 + 8, intended=T0 + 8)
#: A way to break each promise that a busy machine can seem to break.
BREAKABLE_BY_TIME = {
    "no answer": (Kind.NO_ANSWER, {"during": [sample(step(0, 3.0, error="no answer"))]}),
    "wait": (Kind.BUDGET, {"windows": [window(call(T0, 1.5))]}),
    "given up": (Kind.BUDGET, {"windows": [window(call(T0, 0.6), took_s=0.7, left=True)]}),
    "entry": (Kind.ENTRY_TIME, {"during": [sample(step(503, 2.0))]}),
    "served": (Kind.SERVED, {"during": [sample(step(200), ok=False, error="nothing came")]}),
    "beside": (Kind.BULKHEAD, {"siblings": [sample(step(200, 1.5), journey="look")]}),
    "beside failed": (Kind.BULKHEAD, {"siblings": [sample(step(503), journey="look", error="answered 503")]}),
    "late": (Kind.RECOVERY, {"recovery_s": 2.5}),
    "never": (Kind.RECOVERY, {"recovery_s": None, "after": [LATE_WALK]}),
    "sums": (Kind.INVARIANT, {"invariants": [sample(step(200), ok=False, error="1 is not 2")]}),
}


@pytest.mark.parametrize(("kind", "seen"), BREAKABLE_BY_TIME.values(), ids=BREAKABLE_BY_TIME)
def test_what_the_machine_may_have_caused_is_excused_and_only_then(kind: Kind, seen: dict[str, object]) -> None:
    quiet = [b for b in judged(scene(**seen)) if b.kind is kind]
    busy = [b for b in judged(scene(**seen, added=lambda _start, _end, *_: 60.0)) if b.kind is kind]

    assert quiet
    assert not any(b.excused for b in quiet)
    assert busy
    assert all(b.excused and b.timing for b in busy)


def test_a_circuit_breaker_is_excused_while_the_machine_stands_still() -> None:
    on = edge(breaker=BreakerPromise(5, 1.0))
    seen = {"breaker": BreakerSeen(14, opened=False)}

    assert [b.excused for b in judged(scene(on, "breaker", **seen)) if b.kind is Kind.BREAKER] == [False]
    busy = judged(scene(on, "breaker", **seen, added=lambda _start, _end, *_: 60.0))
    assert [b.excused for b in busy if b.kind is Kind.BREAKER] == [True]


def test_a_walk_that_had_all_the_time_it_wanted_and_failed_is_not_excused_by_what_others_waited() -> None:
    """The machine stood still while the failure lasted; afterwards it did not, and nobody had recovered."""
    seen = scene(recovery_s=None, after=[LATE_WALK], added=lambda _start, end, *_: 60.0 if end < T0 + 7 else 0.0)

    assert [b.excused for b in judged(seen) if b.kind is Kind.RECOVERY] == [False]


def test_no_machine_excuses_what_takes_no_time() -> None:
    """A wrong answer, a service that ended, one call too many: these come of no processor."""
    many = [call(T0 + n, 0.1, number=n) for n in range(5)]
    seen = scene(
        died=["shop"],
        windows=[window(*many)],
        calls=many,
        undeclared=[("shop", "POST /orders", 500, TRACE)],
        added=lambda _start, _end, *_: 60.0,
    )

    broken = [b for b in judged(seen) if b.kind in {Kind.DIED, Kind.ANSWER, Kind.ATTEMPTS}]

    assert {b.kind for b in broken} == {Kind.DIED, Kind.ANSWER, Kind.ATTEMPTS}
    assert not any(b.excused for b in broken)
