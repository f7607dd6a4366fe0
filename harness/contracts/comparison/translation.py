"""Schemas of OpenAPI and AsyncAPI written as JSON Schema 2020-12, in the reading a comparison needs.

Two readings: what is *sent* has to fit the schema as it stands; what is *expected* is part of what comes, so that nothing
is required of it, but what the schema does not name cannot be relied on. Nothing is validated here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from harness.documents.nodes import Node, escape

__all__ = ["Translation", "null_beside_parts"]

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
        unasked: fields another part of the same `allOf` says only the service itself writes.
        shared: fields with objects that several parts of the same `allOf` describe: only all of them together know
            what such an object has.
    """

    expected: bool
    closed: bool
    unasked: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()

    def value(self) -> _Way:
        """For a value within: it is a whole of its own."""
        return _Way(self.expected, self.expected)

    def part(self) -> _Way:
        """For one of several schemas about the same value."""
        return replace(self, closed=False)


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
    _names: dict[tuple[str, _Way], str] = field(default_factory=dict)
    _using: set[str] = field(default_factory=set)
    _missing: dict[str, str] = field(default_factory=dict)
    _anchors: dict[str, str] | None = None
    _children: dict[int, list[str]] | None = None

    def schema(self, raw: Any, *, expected: bool) -> tuple[Any, tuple[str, ...]]:
        """A schema that stands alone: everything it refers to is in its `$defs`.

        Returns:
            The schema, and the references within that point at nothing; there, anything goes.
        """
        self._using = set()
        main = self._one(raw, _Way(expected, expected))
        needed, todo = set(), list(self._using)
        while todo:
            name = todo.pop()
            if name not in needed:
                needed.add(name)
                todo += self._uses[name]
        if not needed:
            return main, ()
        missing = tuple(sorted(self._missing[name] for name in needed if name in self._missing))
        return {"allOf": [main], "$defs": {n: self._defs[n] for n in sorted(needed)}}, missing

    def place(self, name: str) -> str:
        """Pointer, in the document, of what stands in `$defs` under a name."""
        return self._places.get(name, "")

    def _reference(self, ref: str, way: _Way) -> Any:
        node = self._target(ref)
        missing = not isinstance(node.raw, Mapping | bool)  # a document can be wrong; the rest of it still counts
        key = (ref, _Way(False, False)) if missing else (node.pointer, way)
        if key not in self._names:
            name = self._names[key] = f"d{len(self._names)}"
            self._places[name] = node.pointer
            if missing:
                self._missing[name] = ref
            outer, self._using = self._using, set()
            self._defs[name] = self._one(node.raw, way)
            self._uses[name], self._using = self._using, outer
        self._using.add(self._names[key])
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def _target(self, ref: str) -> Node:
        """What a reference means: a pointer, or the name of an anchor."""
        if ref[:1] == "#" and ref[1:2] not in {"", "/"} and not self.old:
            if self._anchors is None:
                self._anchors = _anchors_of(self.root)
            return Node(self.root, None).target(f"#{self._anchors[ref[1:]]}" if ref[1:] in self._anchors else ref)
        return Node(self.root, None).target(ref)

    def _one(self, raw: Any, way: _Way) -> Any:
        if isinstance(raw, bool):
            return raw
        if not isinstance(raw, Mapping):
            return {}
        ref = raw.get("$ref", None if self.old else raw.get("$dynamicRef"))
        if isinstance(ref, str):
            return self._referring(raw, ref, way)
        heirs = list(self._heirs(raw, way)) if way.closed else []
        whole = {"anyOf": [self._plain(raw, way), *heirs]} if heirs else self._plain(raw, way)
        return {"anyOf": [whole, {"type": "null"}]} if null_beside_parts(raw) else whole

    def _referring(self, raw: Mapping[str, Any], ref: str, way: _Way) -> Any:
        rest = {k: v for k, v in raw.items() if k not in _ANNOTATIONS and not str(k).startswith("x-")}
        rest = {k: v for k, v in rest.items() if k not in {"$ref", "$dynamicRef"}}
        if rest.pop("nullable", False) is True:  # not what 3.0 says, but what everybody means by it
            return {"anyOf": [self._reference(ref, way), {"type": "null"}]}
        if self.old or not rest:
            return self._reference(ref, way)
        listed = rest.get("allOf")
        return self._one({**rest, "allOf": [{"$ref": ref}, *(listed if isinstance(listed, list) else [])]}, way)

    def _plain(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        several = self._fields_of_parts(raw)
        way = self._aware(several, way)
        out = {**_values(raw), **_limits(raw)}
        if way.expected:
            out.pop("minProperties", None)
        else:
            out |= self._required(raw, way)
        out |= self._fields(raw, way)
        out |= self._items(raw, way)
        out |= self._choices(raw, way)
        out |= self._conditions(raw, way)
        out |= self._unevaluated(raw, way)
        if way.closed:
            for name in way.shared:
                whole = self._one({"allOf": several[name]}, way.value())
                out["properties"] = {**out.get("properties", {}), name: whole}
            out |= self._closing(raw)
        return out

    def _aware(self, several: Mapping[str, list[Any]], way: _Way) -> _Way:
        """The way to read parts that are about the same fields."""
        if way.expected:
            shared = {n for n, said in several.items() if sum(self._is_object(one, 0) for one in said) > 1}
            return replace(way, shared=way.shared | {n for n in shared if any(s != several[n][0] for s in several[n])})
        unasked = {n for n, said in several.items() if any(self._marked(one, "readOnly") for one in said)}
        return replace(way, unasked=way.unasked | unasked)

    def _fields_of_parts(self, raw: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Schemas of every field that a schema with `allOf` describes, in its own fields and in those of its parts."""
        found: dict[str, list[Any]] = {}
        todo, seen = [raw] if isinstance(raw.get("allOf"), list) else [], set[int]()
        while todo:
            here = self._followed(todo.pop())
            if not isinstance(here, Mapping) or id(here) in seen:
                continue
            seen.add(id(here))
            fields, parts = here.get("properties"), here.get("allOf")
            for name, said in fields.items() if isinstance(fields, Mapping) else ():
                found.setdefault(str(name), []).append(said)
            todo += parts if isinstance(parts, list) else []
        return found

    def _followed(self, raw: Any) -> Any:
        return Node(self.root, raw).followed().raw

    def _unevaluated(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        """What is said of fields and items no part names; that there are no more of them is `_closing`'s when read."""
        out: dict[str, Any] = {}
        fields, items = raw.get("unevaluatedProperties"), raw.get("unevaluatedItems")
        if self.old:
            return out
        if (isinstance(fields, Mapping) and fields) or (fields is False and not way.expected):
            out["unevaluatedProperties"] = self._one(fields, way.value())
        if isinstance(items, Mapping | bool):
            out["unevaluatedItems"] = self._one(items, way.value())
        return out

    def _required(self, raw: Mapping[str, Any], way: _Way) -> dict[str, Any]:
        """What a request has to have: not what only the service itself may write."""
        listed, fields = raw.get("required"), raw.get("properties")
        if not isinstance(listed, list):
            return {}
        known = fields if isinstance(fields, Mapping) else {}
        asked = [n for n in listed if isinstance(n, str) and n not in way.unasked]
        names = [n for n in asked if not self._marked(known.get(n), "readOnly")]
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
                    str(name): self._one(field_, inner.part() if name in way.shared else inner)
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
            alone = way.closed and word != "allOf" and not _has_own(raw) and not self._united(raw)
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
        field_, names = _discriminating(raw), _names_of(raw, ref) if isinstance(ref, str) else []
        if not field_ or not names or (len(names) == 1 and self._pinned(part, field_)):
            return translated
        asked = {"properties": {field_: {"enum": names}}}
        return {"allOf": [translated, asked if way.expected else {**asked, "required": [field_]}]}

    def _pinned(self, part: Any, name: str) -> bool:
        """Whether a schema itself says which value the discriminating field has; that counts, whatever it is called."""
        said = self._fields_of_parts({"allOf": [part]}).get(name, [])
        return any(isinstance(one, Mapping) and {"const", "enum"} & one.keys() for one in map(self._followed, said))

    def _heirs(self, raw: Mapping[str, Any], way: _Way) -> Iterator[Any]:
        """The schemas a schema with a discriminator, but without alternatives, stands for."""
        if not _discriminating(raw) or "oneOf" in raw or "anyOf" in raw:
            return
        mapped = [r if "#" in r else f"#/components/schemas/{escape(r)}" for r in _mapping_of(raw).values()]
        for target in dict.fromkeys((*mapped, *self._built_on(raw))):
            if self._target(target).raw is not raw:
                yield self._named(raw, {"$ref": target}, self._reference(target, way), way)

    def _built_on(self, raw: Mapping[str, Any]) -> list[str]:
        """References to every schema that has one in its `allOf`, over any number of steps."""
        if self._children is None:
            self._children = _children_of(self.root)
        found: set[str] = set()
        todo = list(self._children.get(id(raw), []))
        while todo:
            ref = todo.pop()
            if ref not in found:
                found.add(ref)
                todo += self._children.get(id(self._target(ref).raw), [])
        return sorted(found)

    def _united(self, raw: Mapping[str, Any]) -> bool:
        """Whether a value may have the fields of several alternatives at once: all are objects, any of them will do."""
        listed = raw.get("anyOf")
        return isinstance(listed, list) and len(listed) > 1 and all(self._is_object(part, 0) for part in listed)

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
            then, other = (self._one(raw.get(word, True), way.part()) for word in ("then", "else"))
            # Part of a value does not tell which of the two holds; fields of both are known.
            out["if"], out["then"], out["else"] = surely, then, {"anyOf": [True, then, other]}
        for word in ("dependentRequired",):
            if isinstance(raw.get(word), Mapping) and not way.expected:
                out[word] = raw[word]
        if isinstance(raw.get("dependentSchemas"), Mapping):
            out["dependentSchemas"] = {k: self._one(v, way.part()) for k, v in raw["dependentSchemas"].items()}
        return out

    def _closing(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The words that refuse what the schema does not name, where it says that the value is an object."""
        extra = raw.get("additionalProperties")
        rest = None if self.old else raw.get("unevaluatedProperties")
        if any(isinstance(said, Mapping) and said for said in (extra, rest)):
            return {}
        if not any(word in raw for word in ("allOf", "anyOf", "oneOf", "if", "dependentSchemas")):
            return {"additionalProperties": False} if "object" in _types(raw) else {}
        if not self._united(raw) and (not _has_own(raw) or not self._is_object(raw, 0)):
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


def _anchors_of(root: Mapping[str, Any]) -> dict[str, str]:
    """Pointers to all places of a document that have a name, by that name."""
    found: dict[str, str] = {}
    todo, seen = [Node(root, root)], set[int]()
    while todo:
        here = todo.pop()
        if isinstance(here.raw, list):
            todo += here.list()
        elif isinstance(here.raw, Mapping) and id(here.raw) not in seen:
            seen.add(id(here.raw))
            for name in filter(None, (here.text("$anchor"), here.text("$dynamicAnchor"))):
                found.setdefault(name, here.pointer)
            todo += [here.here(str(key)) for key in here.raw]
    return found


def _children_of(root: Mapping[str, Any]) -> dict[int, list[str]]:
    """References to the schemas that have a schema in their `allOf`, by the identity of that schema."""
    found: dict[int, list[str]] = {}
    for name, schema in Node(root, root).here("components").here("schemas").items():
        for part in schema.here("allOf").list():
            parent = part.followed().raw
            if parent is not part.raw and isinstance(parent, Mapping):
                found.setdefault(id(parent), []).append(f"#/components/schemas/{escape(name)}")
    return found


def null_beside_parts(raw: Any) -> bool:
    """Whether `nullable` stands beside parts instead of a type: not what 3.0 says, but what everybody means by it."""
    if not isinstance(raw, Mapping) or raw.get("nullable") is not True or "type" in raw:
        return False
    return any(isinstance(raw.get(word), list) for word in ("allOf", "anyOf", "oneOf"))


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
    width = raw.get("format")
    if isinstance(width, str) and width in _INT_RANGES and {"integer", "number"} & set(_types(raw)):
        low, high = _INT_RANGES[width]
        out.setdefault("minimum", low)
        out.setdefault("maximum", high)
    return out


def _discriminating(raw: Mapping[str, Any]) -> str:
    """Name of the field that tells which schema a value has; empty when there is none. AsyncAPI writes only the name."""
    said = raw.get("discriminator")
    name = said.get("propertyName") if isinstance(said, Mapping) else said
    return name if isinstance(name, str) else ""


def _mapping_of(raw: Mapping[str, Any]) -> dict[str, str]:
    discriminator = raw.get("discriminator")
    mapping = discriminator.get("mapping") if isinstance(discriminator, Mapping) else None
    return {str(k): v for k, v in mapping.items() if isinstance(v, str)} if isinstance(mapping, Mapping) else {}


def _names_of(raw: Mapping[str, Any], ref: str) -> list[str]:
    """Values of the discriminator that stand for a schema: those of the mapping, and the schema's own name."""
    mapping, own = _mapping_of(raw), ref.rsplit("/", 1)[-1]
    names = [name for name, target in mapping.items() if target == ref or ("/" not in target and target == own)]
    return list(dict.fromkeys((*names, own)))
