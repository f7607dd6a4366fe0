"""Which statuses a document declares, and what is known without one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.chaos.explore.declared import Declared, declared_statuses


def document(**responses: Any) -> Declared:
    return declared_statuses(
        {
            "paths": {
                "/orders/{id}": {"get": {"responses": {"200": {}, "5XX": {}}}, "parameters": []},
                "/orders/mine": {"get": {"responses": responses or {"200": {}}}},
                "/a.b": {"post": {"responses": {"201": {}}}},
            }
        }
    )


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/orders/7", 200, True),
        ("GET", "/orders/7", 503, True),
        ("GET", "/orders/7", 404, False),
        ("GET", "/orders/mine", 503, False),
        ("GET", "/orders/7/items", 200, None),
        ("POST", "/orders/7", 200, None),
        ("POST", "/aXb", 201, None),
        ("POST", "/a.b", 201, True),
    ],
)
def test_what_is_declared(method: str, path: str, status: int, expected: bool | None) -> None:
    assert document().allows(method, path, status) is expected


@pytest.mark.parametrize("written", ["default", "DEFAULT", "4xx", "4XX", "404"])
def test_ranges_and_defaults_count(written: str) -> None:
    assert document(**{written: {}}).allows("GET", "/orders/mine", 404) is True


def test_numbers_for_statuses_are_read_as_yaml_gives_them() -> None:
    assert declared_statuses({"paths": {"/x": {"get": {"responses": {503: {}}}}}}).allows("GET", "/x", 503) is True


_WRONG = st.sampled_from([None, 1, "text", [], {}, {"responses": []}, {"get": None}, {"get": {"responses": 7}}])


@given(st.dictionaries(st.sampled_from(["paths", "/a", "/{b", ""]), _WRONG, max_size=3), _WRONG)
def test_whatever_is_not_of_its_shape_counts_as_not_there(paths: dict[str, Any], other: Any) -> None:
    for document in ({"paths": paths}, {"paths": other}, paths):
        assert declared_statuses(document).allows("GET", "/a", 200) is None


def test_without_a_document_nothing_is_known() -> None:
    assert Declared().allows("GET", "/", 500) is None


@pytest.mark.parametrize(
    ("one", "other"), [("/orders/7", "/orders/x-8"), ("/a.b", "/a.b"), ("/unknown/1", "/unknown/2"), ("/", "/")]
)
def test_an_operation_has_one_name_whatever_its_parameters(one: str, other: str) -> None:
    assert document().operation("GET", one) == document().operation("GET", other)


@pytest.mark.parametrize("other", ["/orders/mine", "/orders", "/orders/7/items", "/unknown/7"])
def test_operations_have_names_of_their_own(other: str) -> None:
    assert document().operation("GET", other) != document().operation("GET", "/orders/7")
    assert document().operation("POST", "/orders/7") != document().operation("GET", "/orders/7")
