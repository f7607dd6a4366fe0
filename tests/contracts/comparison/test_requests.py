"""Whether a document accepts what a contract sends: each check on a pair in which it fires, and one in which not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contracts.comparison.pairs import (
    Document,
    asking,
    codes,
    compared,
    document,
    pact,
    parameter,
    sending,
    taking,
)

UNKNOWN = "request.path-or-method.unknown"


def at(path: str, method: str = "GET", status: int = 200) -> Document:
    return pact({"path": path, "method": method}, {"status": status})


EU: Document = {"r": {"default": "eu"}, "v": {"default": "v1", "enum": ["v1", "v2"]}}
by_id = asking(parameter("id", "path", "integer", required=True), path="/things/{id}")


@pytest.mark.parametrize(
    ("contract", "described", "said"),
    [
        (at("/things"), document(), []),
        (at("/thing"), document(), [UNKNOWN]),
        (at("/things", "DELETE"), document(), [UNKNOWN]),
        (at("/things/"), document(), [UNKNOWN]),
        (at("/things/7"), by_id, []),
        (at("/things/seven"), by_id, [UNKNOWN]),
        (at("/things/7/more"), by_id, [UNKNOWN]),
        (at("/a%20b"), document(path="/a b"), []),
        (at("/v1/things"), document(servers=[{"url": "https://example.org/v1"}]), []),
        (at("/things"), document(servers=[{"url": "https://example.org/v1"}]), []),
        (at("/v2/things"), document(servers=[{"url": "https://example.org/v1"}]), [UNKNOWN]),
        (at("/v1/things"), document(servers=[{"url": "/{v}", "variables": {"v": {"default": "v1"}}}]), []),
        (at("/eu/v2/things"), document(servers=[{"url": "https://{r}.io/{r}/{v}", "variables": EU}]), []),
        (at("/eu/v3/things"), document(servers=[{"url": "https://{r}.io/{r}/{v}", "variables": EU}]), [UNKNOWN]),
        (at("/us/things"), document(servers=[{"url": "/{r}", "variables": {"r": {"default": "eu"}}}]), []),
        (at("/v1/things"), document(servers=[{"url": "{host}/v1", "variables": {"host": {"default": "https://x.io"}}}]), []),
        (at("/files/a.json"), document(path="/files/{name}.json"), []),
        (at("/files/a.xml"), document(path="/files/{name}.json"), [UNKNOWN]),
        (at("/things/.5"), asking(parameter("id", "path", "integer", style="label"), path="/things/{id}"), []),
        (at("/things/1,2"), asking(parameter("id", "path", "array", items={"type": "integer"}), path="/things/{id}"), []),
    ],
)  # fmt: skip
def test_a_request_goes_to_an_operation_of_the_document_or_to_none(
    contract: Document, described: Document, said: list[str]
) -> None:
    assert codes(contract, described) == said


def test_of_two_paths_that_fit_the_more_specific_one_is_meant_unless_its_parameters_do_not_fit() -> None:
    described = document(path="/things/{id}")
    operation = described["paths"]["/things/{id}"]["get"]
    operation["parameters"] = [parameter("id", "path", "integer")]
    described["paths"]["/things/latest"] = {"get": {"responses": {"418": {"description": "a teapot"}}}}

    assert codes(at("/things/latest"), described) == ["response.status.unknown"]
    assert codes(at("/things/3"), described) == []


def test_the_server_of_one_path_serves_no_other() -> None:
    described = document()
    described["paths"]["/others"] = {"servers": [{"url": "/v2"}], "get": {"responses": {"200": {"description": ""}}}}

    assert codes(at("/v2/others"), described) == []
    assert codes(at("/v2/things"), described) == [UNKNOWN]


def test_a_request_that_is_meant_to_be_refused_may_have_a_path_that_fits_nothing() -> None:
    described = asking(parameter("id", "path", "integer"), path="/things/{id}")
    described["paths"]["/things/{id}"]["get"]["responses"]["422"] = {"description": "no such thing"}

    assert codes(at("/things/seven", status=422), described) == []


def test_paths_of_swagger_2_begin_with_the_base_path() -> None:
    described = document(servers=[{"url": "/v1"}])

    assert [f.code for f in compared(at("/things"), described, strict_base=True).found] == [UNKNOWN]
    assert not compared(at("/v1/things"), described, strict_base=True).found


def test_an_unknown_request_says_what_there_is_instead() -> None:
    said = [
        compared(at(path, method), document()).found[0].message
        for path, method in (("/things", "PUT"), ("/things/", "GET"))
    ]

    assert said == [
        "no operation is PUT /things; the path has GET",
        "no operation is GET /things/; there is /things, without a slash at the end",
    ]  # fmt: skip


WRONG, EXTRA = "request.query.incompatible", "request.query.unknown"
INTEGERS: Document = {"items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("query", "asked", "said"),
    [
        ("limit=5", parameter("limit", type_="integer"), []),
        ("limit=five", parameter("limit", type_="integer"), [WRONG]),
        ("limit=0", parameter("limit", type_="integer", minimum=1), [WRONG]),
        ("", parameter("limit", required=True), [WRONG]),
        ("", parameter("limit"), []),
        ("page=1", parameter("limit"), [EXTRA]),
        ("all=true", parameter("all", type_="boolean"), []),
        ("all=yes", parameter("all", type_="boolean"), [WRONG]),
        ("sort=up", parameter("sort", enum=["asc", "desc"]), [WRONG]),
        ("code=007", parameter("code", pattern="^[0-9]+$"), []),
        ("id=1&id=2", parameter("id", type_="array", **INTEGERS), []),
        ("id=1,2", parameter("id", type_="array", explode=False, **INTEGERS), []),
        ("id=1|2", parameter("id", type_="array", style="pipeDelimited", **INTEGERS), []),
        ("id=1%202", parameter("id", type_="array", style="spaceDelimited", **INTEGERS), []),
        ("id=1,x", parameter("id", type_="array", **INTEGERS), [WRONG]),
        ("id=1", parameter("id", type_="array", **INTEGERS), []),
        ("limit=", parameter("limit", type_="integer"), [WRONG]),
        ("limit=", parameter("limit", type_="integer", allowEmptyValue=True), []),
        ("limit", parameter("limit", type_="boolean", required=True, allowEmptyValue=True), []),
        ("a=1&b=2", parameter("f", type_="object", additionalProperties={"type": "integer"}), []),
        ("a=1&b=x", parameter("f", type_="object", additionalProperties={"type": "integer"}), [WRONG]),
        ("id[]=1&id[]=2", parameter("id", type_="array", **INTEGERS), []),
        ("f[min]=1&f[max]=2", parameter("f", type_="object", style="deepObject", properties={"min": {"type": "integer"}}), []),
        ("f[min]=x", parameter("f", type_="object", style="deepObject", properties={"min": {"type": "integer"}}), [WRONG]),
        ("min=1", parameter("f", type_="object", properties={"min": {"type": "integer"}}), []),
        ("f=min,x", parameter("f", type_="object", explode=False, properties={"min": {"type": "integer"}}), [WRONG]),
        ("a,b=1", parameter("a,b"), []),
        ({"limit": ["5"]}, parameter("limit", type_="integer"), []),
        ({"limit": ["5", "6"]}, parameter("limit", type_="integer"), [WRONG]),
        ({"id": ["1", "2"]}, parameter("id", type_="array", **INTEGERS), []),
        ({"q": "text"}, parameter("q"), []),
    ],
)  # fmt: skip
def test_a_query_is_read_as_its_parameters_are_written(query: Any, asked: Document, said: list[str]) -> None:
    assert codes(pact({"query": query}, version="3.0.0"), asking(asked)) == said


@pytest.mark.parametrize(("text", "said"), [('{"min":1}', []), ('{"min":"x"}', [WRONG]), ("{", [WRONG])])
def test_a_parameter_can_be_written_as_json(text: str, said: list[str]) -> None:
    schema = {"type": "object", "properties": {"min": {"type": "integer"}}}
    asked = {"name": "f", "in": "query", "content": {"application/json": {"schema": schema}}}

    assert codes(pact({"query": {"f": [text]}}, version="3.0.0"), asking(asked)) == said


BAD_HEADER, BAD_COOKIE = "request.header.incompatible", "request.cookie.incompatible"


@pytest.mark.parametrize(
    ("headers", "asked", "said"),
    [
        ({"X-Count": "3"}, parameter("X-Count", "header", "integer"), []),
        ({"x-count": "3"}, parameter("X-Count", "header", "integer"), []),
        ({"X-Count": "three"}, parameter("X-Count", "header", "integer"), [BAD_HEADER]),
        ({}, parameter("X-Count", "header", required=True), [BAD_HEADER]),
        ({"X-Other": "1"}, parameter("X-Count", "header"), ["request.header.unknown"]),
        ({"User-Agent": "me"}, parameter("X-Count", "header"), []),
        ({"X-Ids": ["1", "2"]}, parameter("X-Ids", "header", "array", items={"type": "integer"}), []),
        ({"Cookie": "session=1"}, parameter("session", "cookie", "integer"), []),
        ({"Cookie": ["session=1", "other=2"]}, parameter("session", "cookie", "integer"), []),
        ({"Cookie": "session=x"}, parameter("session", "cookie", "integer"), [BAD_COOKIE]),
        ({}, parameter("session", "cookie", required=True), [BAD_COOKIE]),
    ],
)  # fmt: skip
def test_headers_and_cookies_fit_their_schemas(headers: Document, asked: Document, said: list[str]) -> None:
    assert codes(pact({"headers": headers}), asking(asked)) == said


@pytest.mark.parametrize("name", ["Accept", "Content-Type", "Authorization"])
def test_headers_openapi_3_describes_elsewhere_are_no_parameters_but_swagger_2_has_them(name: str) -> None:
    described = asking(parameter(name, "header", required=True, enum=["x"]))

    assert codes(pact(), described) == []
    assert [f.code for f in compared(pact(), described, strict_base=True).found] == [BAD_HEADER]


THING = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "id": {"type": "integer", "readOnly": True}, "n": {"type": "integer"}},
}
STRICT = {**THING, "additionalProperties": False, "required": ["name", "id"]}
BASE = {"type": "object", "properties": {"id": {"type": "integer", "readOnly": True}}}
BUILT = {"allOf": [BASE, {"type": "object", "required": ["id", "name"], "properties": {"name": {"type": "string"}}}]}
TREE: Document = {"$dynamicAnchor": "node", "type": "object", "properties": {"in": {"$dynamicRef": "#node"}}}
DOGS: Document = {
    name: {
        "type": "object",
        "required": ["kind"],
        "properties": {"kind": {"type": "string"}, field: {"type": "integer"}},
    }
    for name, field in (("Cat", "lives"), ("Dog", "tricks"))
}
PETS = {"oneOf": [{"$ref": f"#/components/schemas/{n}"} for n in DOGS], "discriminator": {"propertyName": "kind"}}
NULLABLE = {"type": "object", "properties": {"a": {"nullable": True, "allOf": [{"type": "object"}]}}}
BAD_BODY = "request.body.incompatible"
FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("contract", "described", "said"),
    [
        (sending({"name": "a"}), taking(THING), []),
        (sending({}), taking(THING), [BAD_BODY]),
        (sending({"name": 1}), taking(THING), [BAD_BODY]),
        (sending({"name": "a", "more": 1}), taking(THING), []),
        (sending({"name": "a", "more": 1}), taking(STRICT), [BAD_BODY]),
        (sending({"name": "a"}), taking(STRICT), []),
        (sending({}, status=400), taking(THING), ["response.status.unknown"]),
        (sending(None), taking(THING, required=True), [BAD_BODY]),
        (sending(None), taking(THING), []),
        (sending({"name": "a"}), document(method="post"), ["request.content-type.unknown", "request.body.unknown"]),
        (sending({"name": "a"}, "application/json; charset=utf-8"), taking(THING), []),
        (sending({"name": 1}, "application/vnd.a+json"), taking(THING, media="application/vnd.a+json"), [BAD_BODY]),
        (sending({"name": "a"}), taking(BUILT), []),
        (sending({"id": 1}), taking(BUILT), [BAD_BODY]),
        (sending({"a": None}), taking(NULLABLE), []),
        (sending({"a": 1}), taking(NULLABLE), [BAD_BODY]),
        (sending({"kind": "Cat", "lives": 9}), taking(PETS, **DOGS), []),
        (sending({"kind": "Cat", "lives": "x"}), taking(PETS, **DOGS), [BAD_BODY]),
        (sending({"kind": "Cow"}), taking(PETS, **DOGS), [BAD_BODY]),
        (sending({}, "a/b+xml"), taking({}, media="a/c+xml"), ["request.content-type.incompatible", "request.body.unknown"]),
        (sending({"name": "a"}, "text/xml"), taking(THING), ["request.content-type.incompatible", "request.body.unknown"]),
        (sending({"name": 1}), taking(THING, media="*/*"), [BAD_BODY]),
        (sending({"name": 1}), taking(THING, media="application/*"), [BAD_BODY]),
        (sending("name=a&n=1", FORM), taking(THING, media=FORM), []),
        (sending("n=x&name=a", FORM), taking(THING, media=FORM), [BAD_BODY]),
        (sending("in={%22n%22:1}", FORM), taking({"properties": {"in": THING}}, media=FORM), [BAD_BODY]),
        (sending("in={%22name%22:%22a%22}", FORM), taking({"properties": {"in": THING}}, media=FORM), []),
        (sending("<a/>", "text/xml"), taking(THING, media="text/xml"), ["request.body.unvalidatable"]),
        (pact({"method": "POST", "body": {"name": "a"}}), taking(THING), ["request.content-type.missing"]),
    ],
)  # fmt: skip
def test_a_body_that_is_sent_has_to_be_whole(contract: Document, described: Document, said: list[str]) -> None:
    assert codes(contract, described) == said


def test_the_parts_of_a_multipart_body_are_fields() -> None:
    media = "multipart/form-data; boundary=x"
    head = "--x\r\nContent-Disposition: form-data; name="
    part = f'{head}"n"\r\n\r\n{{}}\r\n{head}"name"\r\n\r\na\r\n--x--\r\n'

    described = taking(THING, media="multipart/form-data")

    assert codes(sending(part.format("1"), media), described) == []
    assert codes(sending(part.format("one"), media), described) == [BAD_BODY]
    assert codes(sending("no parts at all", media), described) == ["request.body.unvalidatable"]


@pytest.mark.parametrize(("values", "said"), [(['{"n":1}'], []), (["1", "2"], [BAD_BODY]), (['{"n":"x"}'], [BAD_BODY])])
def test_a_part_can_be_json_and_come_several_times(values: list[str], said: list[str]) -> None:
    head = '--x\r\nContent-Disposition: form-data; name="inner"\r\n\r\n'
    body = "".join(f"{head}{value}\r\n" for value in values) + "--x--\r\n"
    inner = {"type": "object", "properties": {"n": {"type": "integer"}}}

    for schema in (inner, {"type": "array", "items": inner}):
        described = taking({"type": "object", "properties": {"inner": schema}}, media="multipart/form-data")
        assert set(codes(sending(body, "multipart/form-data; boundary=x"), described)) == set(said)


@pytest.mark.parametrize(
    ("body", "schema", "said"),
    [
        ({"a": "x", "z": 1}, {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}, [BAD_BODY]),
        ({"a": "x"}, {"allOf": [{"properties": {"a": {}}}], "unevaluatedProperties": False}, []),
        ({"z": "x"}, {"properties": {}, "unevaluatedProperties": {"type": "integer"}}, [BAD_BODY]),
        ([1, 2], {"prefixItems": [{}], "unevaluatedItems": False}, [BAD_BODY]),
        ({"in": 1}, {"properties": {"in": {"$ref": "#here"}}, "$defs": {"a": {"$anchor": "here", "type": "string"}}}, [BAD_BODY]),
        ({"in": {"in": 1}}, TREE, [BAD_BODY]),
        ({"in": {"in": {}}}, TREE, []),
    ],
)  # fmt: skip
def test_the_words_of_json_schema_2020_count_in_openapi_3_1(body: Any, schema: Document, said: list[str]) -> None:
    assert codes(sending(body), {**taking(schema), "openapi": "3.1.0"}) == said


def test_the_body_of_a_v4_contract_says_its_media_type_itself() -> None:
    body = {"content": {"name": 1}, "contentType": "application/json", "encoded": False}

    assert codes(pact({"method": "POST", "body": body}, version="4.0"), taking(THING)) == [BAD_BODY]


ANSWERS = {"200": {"description": "ok", "content": {"application/json": {"schema": {}}}}}


@pytest.mark.parametrize(
    ("accept", "said"),
    [
        ("application/json", []),
        ("text/html, */*;q=0.1", []),
        ("application/vnd.a+json", []),
        ("text/csv", ["request.accept.incompatible"]),
        ("application/json;q=0", ["request.accept.incompatible"]),
    ],
)
def test_an_operation_gives_what_the_request_accepts(accept: str, said: list[str]) -> None:
    assert codes(pact({"headers": {"Accept": accept}}), document({"responses": ANSWERS})) == said


SCHEMES = {
    "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "Basic"},
    "oauth": {"type": "oauth2", "flows": {}},
}
MISSING, UNSEEN = "request.authorization.missing", "request.authorization.unseen"


@pytest.mark.parametrize(
    ("request_", "security", "said"),
    [
        ({}, [{"key": []}], [MISSING]),
        ({"headers": {"X-Key": "k"}}, [{"key": []}], []),
        ({}, [{"query": []}], [MISSING]),
        ({"query": "key=k"}, [{"query": []}], []),
        ({}, [{"cookie": []}], [UNSEEN]),
        ({"headers": {"Cookie": "sid=1"}}, [{"cookie": []}], []),
        ({}, [{"bearer": []}], [MISSING]),
        ({"headers": {"Authorization": "Bearer x"}}, [{"bearer": []}], []),
        ({"headers": {"Authorization": "Basic x"}}, [{"bearer": []}], [MISSING]),
        ({"headers": {"Authorization": "basic x"}}, [{"basic": []}], []),
        ({}, [{"oauth": ["read"]}], [UNSEEN]),
        ({}, [{"bearer": []}, {}], []),
        ({"headers": {"X-Key": "k"}}, [{"bearer": []}, {"key": []}], []),
        ({"headers": {"X-Key": "k"}}, [{"bearer": [], "key": []}], [MISSING]),
        ({}, [], []),
    ],
)
@pytest.mark.parametrize("own", [True, False], ids=["of the operation", "of the document"])
def test_a_request_carries_the_credentials_that_are_asked_for(
    request_: Document, security: Any, said: list[str], own: bool
) -> None:
    components = {"securitySchemes": SCHEMES}
    described = (
        document({"security": security}, components=components)
        if own
        else document(components=components, security=security)
    )

    assert codes(pact(request_), described) == said  # fmt: skip


def test_a_request_meant_to_be_refused_needs_no_credentials_parameters_or_body() -> None:
    operation = {
        "security": [{"key": []}],
        "parameters": [parameter("q", required=True)],
        "responses": {"401": {"description": "who are you"}},
    }
    described = document(operation, components={"securitySchemes": SCHEMES})

    assert codes(pact(response={"status": 401}), described) == []


def test_a_version_in_the_media_type_is_another_media_type() -> None:
    media = {"content": {"application/vnd.v2+json": {"schema": {}}}}
    asked = pact({"headers": {"Accept": "application/vnd.v1+json"}})

    assert codes(asked, document({"responses": {"200": {"description": "", **media}}})) == [
        "request.accept.incompatible"
    ]


@pytest.mark.parametrize(
    ("request_", "place"),
    [
        ({"query": "a=1&limit=x"}, "/request/query"),
        ({"query": {"limit": ["x"]}}, "/request/query/limit"),
        ({"query": {}}, "/request/query"),
        ({"path": "/things?limit=x"}, "/request"),
    ],
)
def test_the_place_of_a_finding_is_there_in_the_contract(request_: Document, place: str) -> None:
    contract = pact(request_, version="3.0.0")

    found = compared(contract, asking(parameter("limit", type_="integer", required=True))).found

    assert [f.pact_pointer for f in found if f.code == WRONG] == [f"/interactions/0{place}"]


def test_the_place_of_a_header_is_written_as_in_the_contract_and_that_of_a_body_is_in_its_wrapper() -> None:
    wrapped = {"content": {"name": 1}, "contentType": "application/json", "encoded": False}
    contract = pact({"method": "POST", "headers": {"X-OTHER": "1"}, "body": wrapped}, version="4.0")

    assert [f.pact_pointer for f in compared(contract, taking(THING)).found] == [
        "/interactions/0/request/headers/X-OTHER",
        "/interactions/0/request/body/content/name",
    ]


def test_the_place_in_a_document_without_paths_is_the_document() -> None:
    assert [f.spec_pointer for f in compared(pact(), {"openapi": "3.1.0", "webhooks": {}}).found] == [""]
