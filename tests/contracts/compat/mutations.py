"""Known mutations of a document: what each does to a client that keeps to the old one is certain before anything is
compared."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.contracts.compat.generated import Document, Schema, Slot, slots

__all__ = ["BREAKING", "COMPATIBLE", "EQUIVALENT", "Mutation"]

_Change = Callable[[Document, Random], bool]


@dataclass(frozen=True, slots=True)
class Mutation:
    """One way to change a document in place.

    Args:
        apply: changes the document; False when the document has no place for it.
    """

    name: str
    apply: _Change

    def __str__(self) -> str:
        return self.name


def _at(request: bool | None, fits: Callable[[Schema], bool], change: Callable[[Schema], object]) -> _Change:
    """Change one schema that `fits`, of one direction (None: of either)."""

    def apply(doc: Document, rng: Random) -> bool:
        found = [s for s in slots(doc) if request in {None, s.request} and fits(s.schema)]
        if found:
            change(rng.choice(found).schema)
        return bool(found)

    return apply


def _field(request: bool, required: bool | None, change: Callable[[Schema, str], object]) -> _Change:
    """Change an object schema at one of its properties."""

    def apply(doc: Document, rng: Random) -> bool:
        found = [
            s.parent
            for s in slots(doc)
            if s.request is request and s.parent and required in {None, s.parent[1] in s.parent[0]["required"]}
        ]
        if found:
            change(*rng.choice(found))
        return bool(found)

    return apply


def _operation(change: Callable[[dict[str, Any]], object]) -> _Change:
    """Change one operation."""

    def apply(doc: Document, rng: Random) -> bool:
        operations = [o for item in doc["paths"].values() for o in item.values()]
        return change(rng.choice(operations)) is not False

    return apply


def _parameter(required: bool, change: Callable[[dict[str, Any]], object]) -> _Change:
    def apply(doc: Document, rng: Random) -> bool:
        found = [
            p
            for item in doc["paths"].values()
            for o in item.values()
            for p in o["parameters"]
            if p["in"] != "path" and p["required"] is required
        ]
        if found:
            change(rng.choice(found))
        return bool(found)

    return apply


def _remove_operation(doc: Document, rng: Random) -> bool:
    path = rng.choice(sorted(doc["paths"]))
    doc["paths"][path].pop(rng.choice(sorted(doc["paths"][path])))
    return True


def _is(kind: str, *keywords: str) -> Callable[[Schema], bool]:
    return lambda s: s.get("type") == kind and all(k in s for k in keywords)


def _bare(kind: str) -> Callable[[Schema], bool]:
    return lambda s: s == {"type": kind}


def _set(**keywords: Any) -> Callable[[Schema], object]:
    return lambda s: s.update(deepcopy(keywords))


def _without(*keywords: str) -> Callable[[Schema], object]:
    return lambda s: [s.pop(k, None) for k in keywords]


def _become(**keywords: Any) -> Callable[[Schema], object]:
    return lambda s: (s.clear(), s.update(deepcopy(keywords)))


def _add_required(schema: Schema) -> None:
    schema["properties"]["brand_new"] = {"type": "string"}
    schema["required"] = [*schema["required"], "brand_new"]


def _remove_field(schema: Schema, name: str) -> None:
    del schema["properties"][name]
    schema["required"] = [r for r in schema["required"] if r != name]


def _require(schema: Schema, name: str) -> None:
    schema["required"] = [*schema["required"], name]


def _do_not_require(schema: Schema, name: str) -> None:
    schema["required"] = [r for r in schema["required"] if r != name]


def _rename_field(schema: Schema, name: str) -> None:
    schema["properties"]["renamed"] = schema["properties"].pop(name)
    schema["required"] = ["renamed" if r == name else r for r in schema["required"]]


def _is_one_of(schema: Schema) -> bool:
    return "oneOf" in schema


_TAKES, _GIVES = True, False

#: A client that keeps to the old document can fail.
BREAKING = [
    Mutation("an operation is removed", _remove_operation),
    Mutation(
        "a success status is removed", _operation(lambda o: o["responses"].update({"202": o["responses"].pop("200")}))
    ),
    Mutation("a promised header is removed", _operation(lambda o: o["responses"]["200"].pop("headers"))),
    Mutation(
        "a promised header becomes optional",
        _operation(lambda o: o["responses"]["200"]["headers"]["X-Count"].pop("required")),
    ),
    Mutation(
        "a request media type is replaced",
        _operation(
            lambda o: o["requestBody"].update(content={"text/csv": o["requestBody"]["content"]["application/json"]})
        ),
    ),
    Mutation(
        "a response media type is replaced",
        _operation(
            lambda o: o["responses"]["200"].update(
                content={"text/csv": o["responses"]["200"]["content"]["application/json"]}
            )
        ),
    ),
    Mutation(
        "the body becomes required",
        _operation(lambda o: not o["requestBody"]["required"] and o["requestBody"].update(required=True) is None),
    ),
    Mutation(
        "a new parameter is required",
        _operation(
            lambda o: o["parameters"].append(
                {"name": "new", "in": "query", "required": True, "schema": {"type": "string"}}
            )
        ),
    ),
    Mutation("an optional parameter becomes required", _parameter(False, lambda p: p.update(required=True))),
    Mutation("credentials are asked for", _operation(lambda o: o.update(security=[{"key": []}]))),
    Mutation("a new field is required of requests", _at(_TAKES, lambda s: "properties" in s, _add_required)),
    Mutation("an optional field becomes required", _field(_TAKES, required=False, change=_require)),
    Mutation("further fields are refused", _at(_TAKES, lambda s: "properties" in s, _set(additionalProperties=False))),
    Mutation("a taken string becomes an integer", _at(_TAKES, _is("string"), _become(type="integer"))),
    Mutation("a taken integer becomes a boolean", _at(_TAKES, _is("integer"), _become(type="boolean"))),
    Mutation("a taken number becomes an integer", _at(_TAKES, _is("number", "minimum"), _set(type="integer"))),
    Mutation("a taken value is dropped", _at(_TAKES, _is("string", "enum"), _set(enum=["red", "green"]))),
    Mutation("values are listed", _at(_TAKES, _bare("integer"), _set(enum=[1, 2, 3]))),
    Mutation("texts must be shorter", _at(_TAKES, _is("string", "maxLength"), _set(maxLength=10))),
    Mutation("texts must be longer", _at(_TAKES, _is("string", "minLength"), _set(minLength=3))),
    Mutation("texts must fit another pattern", _at(_TAKES, _is("string", "pattern"), _set(pattern="^[a-m]+$"))),
    Mutation("texts must fit a pattern", _at(_TAKES, _is("string", "minLength"), _set(pattern="^[0-9]+$"))),
    Mutation("null is refused", _at(_TAKES, _is("string", "nullable"), _without("nullable"))),
    Mutation("the smallest number rises", _at(_TAKES, _is("integer", "minimum"), _set(minimum=2))),
    Mutation("the smallest number is excluded", _at(_TAKES, _is("integer", "minimum"), _set(exclusiveMinimum=True))),
    Mutation("the largest number falls", _at(_TAKES, _is("number", "maximum"), _set(maximum=5))),
    Mutation("numbers get a limit", _at(_TAKES, _bare("integer"), _set(maximum=10**6))),
    Mutation("numbers get a step", _at(_TAKES, _bare("integer"), _set(multipleOf=3))),
    Mutation("the step grows", _at(_TAKES, _is("number", "multipleOf"), _set(multipleOf=1.5))),
    Mutation("lists must be shorter", _at(_TAKES, _is("array"), _set(maxItems=49))),
    Mutation("lists must be longer", _at(_TAKES, _is("array"), _set(minItems=2))),
    Mutation("a taken alternative is dropped", _at(_TAKES, _is_one_of, _set(oneOf=[{"type": "integer"}]))),
    Mutation("something is excluded", _at(_TAKES, _bare("integer"), _set(**{"not": {"enum": [7]}}))),
    Mutation("a given field is removed", _field(_GIVES, required=True, change=_remove_field)),
    Mutation("a given field is renamed", _field(_GIVES, required=True, change=_rename_field)),
    Mutation("a given field becomes optional", _field(_GIVES, required=True, change=_do_not_require)),
    Mutation("a given string becomes an integer", _at(_GIVES, _is("string"), _become(type="integer"))),
    Mutation("a given integer may be any number", _at(_GIVES, _is("integer"), _set(type="number"))),
    Mutation("null may be given", _at(_GIVES, _is("integer"), _set(nullable=True))),
    Mutation("given texts may be longer", _at(_GIVES, _is("string", "maxLength"), _set(maxLength=41))),
    Mutation("given texts may be shorter", _at(_GIVES, _is("string", "minLength"), _without("minLength"))),
    Mutation("given numbers may be smaller", _at(_GIVES, _is("integer", "minimum"), _set(minimum=0))),
    Mutation("given numbers may be larger", _at(_GIVES, _is("number", "maximum"), _without("maximum"))),
    Mutation("given lists may be empty", _at(_GIVES, _is("array"), _set(minItems=0))),
    Mutation("given lists may be longer", _at(_GIVES, _is("array"), _without("maxItems"))),
    Mutation(
        "another type may be given",
        _at(
            _GIVES,
            _is_one_of,
            _set(oneOf=[{"type": "string", "maxLength": 20}, {"type": "integer"}, {"type": "boolean"}]),
        ),
    ),
]


def _make_given_optional_field(schema: Schema) -> None:
    schema["properties"]["brand_new"] = {"type": "string"}


#: No client that keeps to the old document fails; a client may see something new.
COMPATIBLE = [
    Mutation(
        "an operation is added",
        lambda doc, rng: bool(
            doc["paths"].update({"/fresh": {"get": {"parameters": [], "responses": {"200": {"description": ""}}}}})
            is None
        ),
    ),
    Mutation(
        "an optional parameter is added",
        _operation(lambda o: o["parameters"].append({"name": "new", "in": "query", "schema": {"type": "string"}})),
    ),
    Mutation("a parameter becomes optional", _parameter(True, lambda p: p.update(required=False))),
    Mutation(
        "a header is added", _operation(lambda o: o["responses"]["200"]["headers"].update({"X-New": {"schema": {}}}))
    ),
    Mutation("a given field is added", _at(_GIVES, lambda s: "properties" in s, _make_given_optional_field)),
]


def _only(request: bool, fits: Callable[[Schema], bool], change: Callable[[Schema], object]) -> _Change:
    """Change a schema that is not used in the other direction as well."""

    def apply(doc: Document, rng: Random) -> bool:
        every = list(slots(doc))
        other = {id(s.schema) for s in every if s.request is not request}
        found = [s for s in every if s.request is request and fits(s.schema) and id(s.schema) not in other]
        if found:
            change(rng.choice(found).schema)
        return bool(found)

    return apply


COMPATIBLE += [
    Mutation("longer texts are taken", _only(_TAKES, _is("string", "maxLength"), _set(maxLength=41))),
    Mutation("any text is taken", _only(_TAKES, _is("string", "pattern"), _without("pattern"))),
    Mutation("null is taken", _only(_TAKES, _is("integer"), _set(nullable=True))),
    Mutation("another value is taken", _only(_TAKES, _is("string", "enum"), lambda s: s["enum"].append("pink"))),
    Mutation("smaller numbers are taken", _only(_TAKES, _is("integer", "minimum"), _without("minimum"))),
    Mutation("any number is taken", _only(_TAKES, _is("integer"), _set(type="number"))),
    Mutation("longer lists are taken", _only(_TAKES, _is("array"), _without("maxItems"))),
    Mutation("given texts are shorter", _only(_GIVES, _is("string", "maxLength"), _set(maxLength=39))),
    Mutation("given numbers are larger", _only(_GIVES, _is("integer", "minimum"), _set(minimum=2))),
    Mutation("a value is not given any more", _only(_GIVES, _is("string", "enum"), _set(enum=["red", "blue"]))),
    Mutation("null is not given any more", _only(_GIVES, _is("string", "nullable"), _without("nullable"))),
    Mutation("given lists are never empty of two", _only(_GIVES, _is("array"), _set(minItems=2))),
]


def _inline(doc: Document, rng: Random) -> bool:
    """Put a shared schema where it is referred to."""
    found = list(_references(doc))
    if not found:
        return False
    holder, key = rng.choice(found)
    name = holder[key]["$ref"].rsplit("/", 1)[-1]
    holder[key] = deepcopy(doc["components"]["schemas"][name])
    return True


def _references(node: Any) -> list[tuple[Any, Any]]:
    pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    found = []
    for key, value in pairs:
        if isinstance(value, dict) and "$ref" in value:
            found.append((node, key))
        else:
            found += _references(value)
    return found


def _extract(doc: Document, rng: Random) -> bool:
    """Give a schema a name and refer to it."""
    slot = _some(doc, rng)
    doc["components"]["schemas"]["Extracted"] = slot.schema
    slot.put({"$ref": "#/components/schemas/Extracted"})
    return True


def _some(doc: Document, rng: Random) -> Slot:
    # Not the ones in components: replacing one by a reference to itself would lose it.
    shared = doc["components"]["schemas"]
    return rng.choice([s for s in slots(doc) if s.holder is not shared])


def _wrap(keyword: str) -> _Change:
    def apply(doc: Document, rng: Random) -> bool:
        slot = _some(doc, rng)
        slot.put({keyword: [slot.schema]})
        return True

    return apply


def _split_into_all_of(schema: Schema) -> None:
    """Constraints one after another instead of together."""
    rest = {k: schema.pop(k) for k in list(schema) if k != "type"}
    kind = schema.pop("type")
    schema["allOf"] = [{"type": kind}, *({"type": kind, k: v} for k, v in rest.items())]


def _shuffled(node: Any, rng: Random) -> Any:
    if isinstance(node, dict):
        keys = list(node)
        rng.shuffle(keys)
        return {key: _shuffled(node[key], rng) for key in keys}
    if isinstance(node, list):
        return [_shuffled(item, rng) for item in node]
    return node


def _shuffle_keys(doc: Document, rng: Random) -> bool:
    turned = _shuffled(doc, rng)
    doc.clear()
    doc.update(turned)
    return True


def _shared_parameters(doc: Document, rng: Random) -> bool:
    """What an operation says of its parameters, said by its path."""
    item = doc["paths"][rng.choice(sorted(doc["paths"]))]
    if len(item) != 1:
        return False
    [operation] = item.values()
    item["parameters"] = operation.pop("parameters")
    return True


def _rename_component(doc: Document, rng: Random) -> bool:
    schemas = doc["components"]["schemas"]
    name = rng.choice(sorted(schemas))
    for holder, key in _references(doc):
        if holder[key]["$ref"].endswith(f"/{name}"):
            holder[key] = {"$ref": "#/components/schemas/Renamed"}
    schemas["Renamed"] = schemas.pop(name)
    return True


def _rename_path_parameter(doc: Document, rng: Random) -> bool:
    path = rng.choice(sorted(doc["paths"]))
    item = doc["paths"].pop(path)
    for operation in item.values():
        operation["parameters"][0]["name"] = "other"
    doc["paths"][path.replace("{id}", "{other}")] = item
    return True


def _to_openapi_31(doc: Document, rng: Random) -> bool:
    """Rewrite the document in the words of OpenAPI 3.1."""
    doc["openapi"] = "3.1.0"
    _modernise(doc)
    return True


def _modernise(node: Any) -> None:
    if isinstance(node, list):
        for item in node:
            _modernise(item)
    if isinstance(node, dict):
        if node.pop("nullable", False):
            node["type"] = [node["type"], "null"]
        if node.get("exclusiveMinimum") is True:
            node["exclusiveMinimum"] = node.pop("minimum")
        for value in node.values():
            _modernise(value)


def _say(**words: Any) -> _Change:
    return _at(None, lambda s: "$ref" not in s, _set(**words))


#: The same set of exchanges, said differently.
EQUIVALENT = [
    Mutation("a reference is replaced by what it refers to", _inline),
    Mutation("a schema gets a name", _extract),
    Mutation("a schema is wrapped in allOf", _wrap("allOf")),
    Mutation("a schema is wrapped in anyOf", _wrap("anyOf")),
    Mutation("a schema is wrapped in oneOf", _wrap("oneOf")),
    Mutation(
        "constraints are split over allOf", _at(None, lambda s: "type" in s and "nullable" not in s, _split_into_all_of)
    ),
    Mutation("keys are in another order", _shuffle_keys),
    Mutation(
        "fields are required in another order", _at(None, lambda s: "required" in s, lambda s: s["required"].reverse())
    ),
    Mutation("values are listed in another order", _at(None, lambda s: "enum" in s, lambda s: s["enum"].reverse())),
    Mutation("alternatives are in another order", _at(None, _is_one_of, lambda s: s["oneOf"].reverse())),
    Mutation("parameters are in another order", _operation(lambda o: o["parameters"].append(o["parameters"].pop(0)))),
    Mutation("parameters are said for the path", _shared_parameters),
    Mutation("a shared schema is renamed", _rename_component),
    Mutation("a path parameter is renamed", _rename_path_parameter),
    Mutation("a schema is described", _say(description="something", title="Something")),
    Mutation("an example is given", _say(example="something")),
    Mutation(
        "further fields are allowed as before", _at(None, lambda s: "properties" in s, _set(additionalProperties=True))
    ),
    Mutation(
        "any further field is allowed as before", _at(None, lambda s: "properties" in s, _set(additionalProperties={}))
    ),
    Mutation("no length is below nought", _at(None, _is("string", "pattern"), _set(minLength=0))),
    Mutation("items may repeat as before", _at(None, _is("array"), _set(uniqueItems=False))),
    Mutation("a limit is written as a fraction", _at(None, _is("integer", "maximum"), _set(maximum=900.0))),
    Mutation(
        "a limit is excluded instead", _at(None, _is("integer", "minimum"), _set(minimum=0, exclusiveMinimum=True))
    ),
    Mutation(
        "disjoint alternatives are any of instead of one of",
        _at(None, _is_one_of, lambda s: s.update(anyOf=s.pop("oneOf"))),
    ),
    Mutation("no credentials are asked for, said again", _operation(lambda o: o.update(security=[]))),
    Mutation("the words of OpenAPI 3.1", _to_openapi_31),
    Mutation("an operation is tagged and summed up", _operation(lambda o: o.update(tags=["x"], summary="x"))),
]
