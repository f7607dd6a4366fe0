"""Schemas of OpenAPI and AsyncAPI written as JSON Schema 2020-12, in the reading a comparison needs.

Two readings: what is *sent* has to fit the schema as it stands; what is *expected* is part of what comes, so that nothing
is required of it, but what the schema does not name cannot be relied on. Nothing is validated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.contracts.documents.nodes import Node, escape

__all__ = ["Translation"]

_TYPES = {"null", "boolean", "integer", "number", "string", "array", "object"}
_NUMBERS = (
    *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength"),
    *("maxItems", "minItems", "maxProperties", "minProperties", "minContains", "maxContains"),
)
_ANNOTATIONS = {
    "description",
    "title",
    "default",
    "deprecated",
    "example",
    "examples",
    "summary",
    "readOnly",
    "writeOnly",
}
_INT_RANGES = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}


@dataclass(frozen=True, slots=True)
class _Way:
    """How a schema is read.

    Args:
        expected: as part of what comes, not as the whole of what is sent.
        closed: whether what the schema does not name is refused; not so inside `allOf` and the like, where the
            schema around it knows better.
    """

    expected: bool
    closed: bool

    @property
    def key(self) -> str:
        """Short and unique."""
        return f"{'e' if self.expected else 's'}{'c' if self.closed else 'o'}"

    def value(self) -> _Way:
        """For a value within: it is a whole of its own."""
        return _Way(self.expected, self.expected)

    def part(self) -> _Way:
        """For one of several schemas about the same value."""
        return _Way(self.expected, False)


@dataclass(slots=True)
class Translation:
    """Translates the schemas of one document, each that is referred to once.

    Args:
        root: the document.
        old: whether the dialect is the one of OpenAPI 3.0 or JSON Schema 7, where a `$ref` stands alone.
    """

    root: Mapping[str, Any]
    old: bool
    _defs: dict[str, Any] = field(default_factory=dict)
    _uses: dict[str, set[str]] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)
    _names: dict[tuple[str, str], str] = field(default_factory=dict)
    _using: set[str] = field(default_factory=set)

    def schema(self, raw: Any, *, expected: bool) -> Any:
        """A schema that stands alone: everything it refers to is in its `$defs`."""
        self._using = set()
        main = self._one(raw, _Way(expected, expected))
        needed, todo = set(), list(self._using)
        while todo:
            name = todo.pop()
            if name not in needed:
                needed.add(name)
                todo += self._uses[name]
        if not needed:
            return main
        return {"allOf": [main], "$defs": {n: self._defs[n] for n in sorted(needed)}}

    def place(self, name: str) -> str:
        """Pointer, in the document, of what stands in `$defs` under a name."""
        return self._places.get(name, "")

    def _reference(self, ref: str, way: _Way) -> Any:
        node = Node(self.root, None).target(ref)
        if not isinstance(node.raw, Mapping | bool):
            return {}  # it points at nothing; that is a finding of the check of documents, not of this comparison
        key = (node.pointer, way.key)
        if key not in self._names:
            name = self._names[key] = f"{way.key}{len(self._names)}"
            self._places[name] = node.pointer
            outer, self._using = self._using, set()
            self._defs[name] = self._one(node.raw, way)
            self._uses[name], self._using = self._using, outer
        self._using.add(self._names[key])
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def _one(self, raw: Any, way: _Way) -> Any:
        if isinstance(raw, bool):
            return raw
        if not isinstance(raw, Mapping):
            return {}
        ref = raw.get("$ref")
        if isinstance(ref, str):
            return self._referring(raw, ref, way)
        if way.closed and self._stands_for_others(raw):
            return {"anyOf": [self._plain(raw, way), *self._heirs(raw, way)]}
        return self._plain(raw, way)

    def _referring(self, raw: Mapping[str, Any], ref: str, way: _Way) -> Any:
        rest = {k: v for k, v in raw.items() if k != "$ref" and k not in _ANNOTATIONS and not str(k).startswith("x-")}
        if rest.pop("nullable", False) is True:  # not what 3.0 says, but what everybody means by it
            return {"anyOf": [self._reference(ref, way), {"type": "null"}]}
        if self.old or not rest:
            return self._reference(ref, way)
        listed = rest.get("allOf")
        return self._one({**rest, "allOf": [{"$ref": ref}, *(listed if isinstance(listed, list) else [])]}, way)

    def _plain(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        out = {**_values(raw), **_limits(raw)}
        if way.expected:
            out.pop("minProperties", None)
        else:
            out |= self._required(raw)
        out |= self._fields(raw, way)
        out |= self._items(raw, way)
        out |= self._choices(raw, way)
        out |= self._conditions(raw, way)
        if way.closed:
            out |= self._closing(raw)
        return out

    def _required(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What a request has to have: not what only the service itself may write."""
        listed, fields = raw.get("required"), raw.get("properties")
        if not isinstance(listed, list):
            return {}
        known = fields if isinstance(fields, Mapping) else {}
        names = [n for n in listed if isinstance(n, str) and not self._marked(known.get(n), "readOnly")]
        return {"required": list(dict.fromkeys(names))} if names else {}

    def _marked(self, raw: Any, word: str) -> bool:
        found = Node(self.root, raw).followed().raw
        marks = [raw.get(word) if isinstance(raw, Mapping) else None]
        marks.append(found.get(word) if isinstance(found, Mapping) else None)
        return True in marks

    def _fields(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        out: dict[str, Any] = {}
        inner = way.value()
        for word in ("properties", "patternProperties"):
            fields = raw.get(word)
            if isinstance(fields, Mapping):
                out[word] = {
                    str(name): self._one(field_, inner)
                    for name, field_ in fields.items()
                    if not (way.expected and self._marked(field_, "writeOnly"))
                }
        extra = raw.get("additionalProperties")
        if isinstance(extra, Mapping) and extra:
            out["additionalProperties"] = self._one(extra, inner)
        elif extra is False and (way.closed or not way.expected):
            out["additionalProperties"] = False
        if isinstance(raw.get("propertyNames"), Mapping | bool):
            out["propertyNames"] = self._one(raw["propertyNames"], _Way(False, False))
        return out

    def _items(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        out: dict[str, Any] = {}
        items, prefix, inner = raw.get("items"), raw.get("prefixItems"), way.value()
        if isinstance(items, list):  # JSON Schema 7
            prefix, items = items, raw.get("additionalItems")
        if isinstance(prefix, list) and prefix:
            out["prefixItems"] = [self._one(item, inner) for item in prefix]
        if isinstance(items, Mapping | bool):
            out["items"] = self._one(items, inner)
        if isinstance(raw.get("contains"), Mapping | bool) and not way.expected:
            out["contains"] = self._one(raw["contains"], inner)
        if raw.get("uniqueItems") is True:
            out["uniqueItems"] = True
        return out

    def _choices(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for word in ("allOf", "anyOf", "oneOf"):
            listed = raw.get(word)
            if not isinstance(listed, list) or not listed:
                continue
            alone = way.closed and word != "allOf" and not _has_own(raw)
            inner = way if alone else way.part()
            parts = [self._named(raw, part, self._one(part, inner), way) for part in listed]
            # Of part of a value nobody can tell that it fits exactly one.
            name = "anyOf" if word == "oneOf" and way.expected else word
            if name in out:
                out.setdefault("allOf", []).append({name: parts})
            else:
                out[name] = parts
        return out

    def _named(self, raw: Mapping[str, Any], part: Any, translated: Any, way: _Way) -> Any:
        """An alternative, only to be taken under the names the discriminator has for it."""
        ref = part.get("$ref") if isinstance(part, Mapping) else None
        names = _names_of(raw, ref) if isinstance(ref, str) else []
        if not names:
            return translated
        field_ = str(raw["discriminator"]["propertyName"])
        asked = {"properties": {field_: {"enum": names}}}
        return {"allOf": [translated, asked if way.expected else {**asked, "required": [field_]}]}

    def _stands_for_others(self, raw: Mapping[str, Any]) -> bool:
        return bool(_mapping_of(raw)) and "oneOf" not in raw and "anyOf" not in raw

    def _heirs(self, raw: Mapping[str, Any], way: _Way) -> Iterator[Any]:
        for ref in dict.fromkeys(_mapping_of(raw).values()):
            target = ref if "#" in ref else f"#/components/schemas/{escape(ref)}"
            if Node(self.root, None).target(target).raw is not raw:
                yield self._named(raw, {"$ref": ref}, self._reference(target, way), way)

    def _conditions(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        strict, out = _Way(False, False), {}
        if isinstance(raw.get("not"), Mapping | bool):
            out["not"] = self._one(raw["not"], strict)
        if isinstance(raw.get("if"), Mapping) and not way.expected:
            out |= {w: self._one(raw[w], way.part()) for w in ("if", "then", "else") if w in raw}
        elif isinstance(raw.get("if"), Mapping):
            fields = raw["if"].get("properties")
            seen = {"required": [str(f) for f in fields] if isinstance(fields, Mapping) else []}
            surely = {"allOf": [self._one(raw["if"], strict), seen]}
            out["if"], out["then"] = surely, self._one(raw.get("then", True), way.part())
        for word in ("dependentRequired",):
            if isinstance(raw.get(word), Mapping) and not way.expected:
                out[word] = raw[word]
        if isinstance(raw.get("dependentSchemas"), Mapping):
            out["dependentSchemas"] = {k: self._one(v, way.part()) for k, v in raw["dependentSchemas"].items()}
        return out

    def _closing(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The words that refuse what the schema does not name, where it says that the value is an object."""
        extra = raw.get("additionalProperties")
        if isinstance(extra, Mapping) and extra:
            return {}
        if not any(word in raw for word in ("allOf", "anyOf", "oneOf")):
            return {"additionalProperties": False} if "object" in _types(raw) else {}
        if not _has_own(raw) or not self._is_object(raw, 0):
            return {}
        return {"unevaluatedProperties": False}

    def _is_object(self, raw: Any, depth: int) -> bool:
        """Whether a schema is about objects, and leaves none of its own open on purpose."""
        found = Node(self.root, raw).followed().raw
        if not isinstance(found, Mapping) or depth > 20:
            return False
        listed = found.get("allOf")
        parts = listed if isinstance(listed, list) else []
        return "object" in _types(found) or any(self._is_object(part, depth + 1) for part in parts)


def _has_own(raw: Mapping[str, Any]) -> bool:
    """Whether a schema says something about fields beside its alternatives."""
    alternatives = sum(word in raw for word in ("anyOf", "oneOf"))
    return any(raw.get(word) for word in ("properties", "patternProperties", "allOf")) or alternatives > 1


def _types(raw: Mapping[str, Any]) -> list[str]:
    said = raw.get("type")
    listed = said if isinstance(said, list) else [said]
    return [t for t in listed if isinstance(t, str) and t in _TYPES]


def _values(raw: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    types, nullable = _types(raw), raw.get("nullable") is True
    if types:
        out["type"] = [*types, "null"] if nullable and "null" not in types else types if len(types) > 1 else types[0]
    if isinstance(raw.get("enum"), list) and raw["enum"]:
        out["enum"] = [*raw["enum"], None] if nullable and None not in raw["enum"] else raw["enum"]
    if "const" in raw:
        out["const"] = raw["const"]
    for word in ("pattern", "format"):
        if isinstance(raw.get(word), str):
            out[word] = raw[word]
    return out


def _limits(raw: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for word in _NUMBERS:
        value = raw.get(word)
        if isinstance(value, int | float) and not isinstance(value, bool):
            out[word] = value
    for word, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if raw.get(exclusive) is True and word in out:  # OpenAPI 3.0
            out[exclusive] = out.pop(word)
    if out.get("multipleOf", 1) <= 0:
        del out["multipleOf"]
    if raw.get("format") in _INT_RANGES and {"integer", "number"} & set(_types(raw)):
        low, high = _INT_RANGES[raw["format"]]
        out.setdefault("minimum", low)
        out.setdefault("maximum", high)
    return out


def _mapping_of(raw: Mapping[str, Any]) -> dict[str, str]:
    discriminator = raw.get("discriminator")
    if not isinstance(discriminator, Mapping) or not isinstance(discriminator.get("propertyName"), str):
        return {}
    mapping = discriminator.get("mapping")
    return {str(k): v for k, v in mapping.items() if isinstance(v, str)} if isinstance(mapping, Mapping) else {}


def _names_of(raw: Mapping[str, Any], ref: str) -> list[str]:
    """Values of the discriminator that stand for a schema: those of the mapping, and the schema's own name."""
    mapping, own = _mapping_of(raw), ref.rsplit("/", 1)[-1]
    names = [name for name, target in mapping.items() if target == ref or ("/" not in target and target == own)]
    return [*names, own] if names else []
