"""How bad the changes of one schema are: as bad as the values make them, one condition at a time. Finding is elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.contracts.compat.catalogue import RULES
from harness.contracts.compat.containment import Answer, Conditions, Containment, Verdict
from harness.contracts.compat.rules import Direction, Level
from harness.contracts.compat.values import Found
from harness.documents.nodes import Node

__all__ = ["Judge", "Question"]

#: Rules that cannot tell by themselves: an example makes them breaking.
_BY_EXAMPLE = {"pattern_changed", "alternative_added", "exclusion_changed", "format_changed"}
#: What readers put up with and servers ignore, whatever the letter of a schema says: fields nobody named before.
_BY_CONVENTION = {
    *("field_added", "field_removed", "optional_field_removed", "field_refused", "required_field_added"),
    *("extra_fields_refused", "extra_fields_allowed", "field_removed_after_sunset"),
    *("field_read_only", "field_write_only", "field_not_read_only", "field_not_write_only"),
}
#: Changes that say nothing about which values are valid.
_NOTES = {
    *("default_changed", "default_added", "field_deprecated", "field_undeprecated", "sunset_earlier", "sunset_later"),
    *("content_encoding_changed", "content_media_type_changed", "format_added", "format_removed", "format_changed"),
    *("known_value_added", "known_value_removed"),
    *(rule for rule in RULES if rule.startswith("discriminator_")),
}
#: Conditions that are told by what is found in the schemas inside.
_INSIDE = {"properties", "items", "$ref"}
_WORDS = {
    "choice": "`anyOf` or `oneOf`",
    "unevaluated": "`unevaluatedProperties` or `unevaluatedItems`",
    "extra": "`additionalProperties`",
    "deep": "`allOf`",
    "values": "`enum` or `const`",
}
_UNDECIDED = Answer(Verdict.UNDECIDED)


class Judge:
    """Puts questions about pairs of schemas; all of them share the effort there is for one comparison."""

    def __init__(self) -> None:
        self._containment = Containment()

    def question(self, old: Sequence[Node], new: Sequence[Node], way: Direction) -> Question:
        """Whether values of one schema meet the conditions of the other, for both ways round."""
        narrowed = self._containment.conditions(old, new, way)
        widened = self._containment.conditions(new, old, way)
        return Question(narrowed, widened, way)


class Question:
    """Two schemas, and which conditions of each the other's values meet.

    Args:
        narrowed: about values of the old schema. widened: about values of the new one. None: nothing can be decided.
    """

    def __init__(self, narrowed: Conditions | None, widened: Conditions | None, way: Direction) -> None:
        self._narrowed, self._widened, self._way = narrowed, widened, way
        self._harm, self._harmless = (narrowed, widened) if way is Direction.REQUEST else (widened, narrowed)

    def judged(self, own: Sequence[Found], also_choice: bool) -> Iterator[Found]:
        """Changes of the schema itself; one that turns out to change no value is none.

        Args:
            own: what was found.
            also_choice: a condition may stand in the one alternative there is.
        """
        for one in own:
            if not one.about:
                yield one
                continue
            harm = self._of(self._harm, one.about, also_choice)
            if harm.verdict is Verdict.CONTAINED:
                if self._of(self._harmless, one.about, also_choice).verdict is not Verdict.CONTAINED:
                    yield replace(one, level=Level.COMPATIBLE)
            else:
                yield one if harm.verdict is Verdict.UNDECIDED else _exemplified(one, harm.example, self._way)

    def alternatives(self, inside: Sequence[Found]) -> list[Found]:
        """Changes inside of alternatives, which may make up for each other."""
        if not inside or self._of(self._harm, {"choice"}, False).verdict is not Verdict.CONTAINED:
            return list(inside)
        if self._of(self._harmless, {"choice"}, False).verdict is Verdict.CONTAINED:
            return [one for one in inside if one.rule in _NOTES]
        return [one if one.rule in _NOTES else replace(one, level=Level.COMPATIBLE) for one in inside]

    def rest(
        self, pointer: str, about: set[str], own: Sequence[Found], inside: Sequence[Found], deeper: Sequence[Found]
    ) -> Iterator[Found]:
        """What no rule has told: conditions with no rule of their own, or with one that did not see it.

        Args:
            pointer: of the schema. about: conditions that changes already told are about. own: those changes, judged.
            inside: changes in alternatives. deeper: changes in fields and items.
        """
        told = set(about)
        if any(one.rule in _BY_CONVENTION or _level(one, self._way) is not Level.COMPATIBLE for one in inside):
            told.add("choice")
        if any(one.rule in _BY_CONVENTION or one.path[:1] == ("*",) for one in deeper):
            told.add("extra")
        # Further alternatives that only seem to allow more may take away what the schema was without them.
        about_choice = [*inside, *(one for one in own if "choice" in one.about)]
        harmless = all(
            one.rule not in _BY_CONVENTION and _level(one, self._way) is Level.COMPATIBLE for one in about_choice
        )
        for rule, conditions in (("values_narrowed", self._narrowed), ("values_widened", self._widened)):
            doubted = {"choice"} & told if harmless and conditions is self._harm else set[str]()
            yield from self._untold(rule, conditions, pointer, told - doubted, doubted)

    def _untold(
        self, rule: str, conditions: Conditions | None, pointer: str, told: set[str], doubted: set[str]
    ) -> Iterator[Found]:
        if conditions is None:
            return
        for name in sorted(conditions.differing - told - _INSIDE):
            if name in _HAVE_RULES:
                continue
            answer, facts = conditions.of([name]), (("what", _named(name)),)
            if answer.verdict is Verdict.NOT_CONTAINED:
                shows = RULES[rule].level(self._way) is Level.BREAKING
                # A field that nobody named before is put up with in what is given.
                level = Level.COMPATIBLE if name == "extra" and self._way is Direction.RESPONSE else None
                yield Found(rule, (), pointer, facts, example=_json(answer.example) if shows else "", level=level)
            elif answer.verdict is Verdict.UNDECIDED and name not in {"extra", *doubted}:
                if conditions is self._harm:
                    yield Found("schema_changed", (), pointer, facts)
                elif self._harm is None or self._of(self._harm, {name}, False).verdict is Verdict.CONTAINED:
                    yield Found("schema_changed", (), pointer, facts, level=Level.COMPATIBLE)

    def _of(self, conditions: Conditions | None, about: frozenset[str] | set[str], also_choice: bool) -> Answer:
        if conditions is None:
            return _UNDECIDED
        # The only alternative there is counts as part of the schema around it: what is asked about may stand there.
        return conditions.of(conditions.names if also_choice or not about & conditions.names else about)


#: Conditions that the rules about values always see.
_HAVE_RULES = {
    *("type", "values", "pattern", "uniqueItems", "multipleOf"),
    *("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
    *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
}


def _level(found: Found, way: Direction) -> Level:
    return found.level or RULES[found.rule].level(way)


def _exemplified(found: Found, example: object, way: Direction) -> Found:
    level = RULES[found.rule].level(way)
    if level is Level.COMPATIBLE:
        return found
    return replace(found, example=_json(example), level=Level.BREAKING if found.rule in _BY_EXAMPLE else None)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _named(condition: str) -> str:
    return _WORDS.get(condition) or f"`{condition}`"
