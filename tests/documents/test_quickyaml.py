"""The quick reader of YAML gives what PyYAML's safe loader gives, and refuses what it refuses."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.documents.quickyaml import load

SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.dates()
_WORDS = st.sampled_from(
    ["yes", "off", "0o17", "017", "1_000", "1e3", ".inf", "~", "2026-01-31", "12:30", "=", "<<", "null"]
)
_VALUES = st.recursive(
    _SCALARS | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_SCALARS | _WORDS, inner, max_size=4),
    max_leaves=20,
)


@given(value=_VALUES, flow=st.sampled_from([True, False, None]))
def test_it_reads_what_the_safe_loader_reads(value: object, flow: bool | None) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)

    assert load(text.encode()) == yaml.load(text, Loader=SAFE)


WRITTEN = [
    "",
    "--- ",
    "plain",
    "{a: 1, a: 2}",
    "a: &x {b: [1, 2]}\nc: *x",
    "a: &x 1\n&y k: *x\n*y : 2",
    "base: &b {x: 1, y: 2}\nnew: {<<: *b, y: 3}",
    "new:\n  <<: [{x: 1}, {y: 2}]",
    "a: !!str 12",
    "a: ! 12",
    "a: !!binary aGVsbG8=",
    "a: !!set {x, y}",
    "? a\n: b\n? c\n",
    "yes: no\n200: ok\n1.5: x\n~: y\n2026-01-31: z",
    "a: |\n  text\n   more\nb: >-\n  folded\n  text",
    "'200': \"1\"",
    "%YAML 1.1\n---\na: 1\n...\n",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_every_way_of_writing_is_read_as_the_safe_loader_reads_it(text: str) -> None:
    read = load(text.encode())

    assert read == yaml.safe_load(text)
    assert repr(read) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "a: [",
        "a: *gone",
        "a: !!python/object:os.system x",
        "a: 1\n---\nb: 2",
        "? [1]\n: 2",
        "a: !own 1",
        "\t- x",
        "a: =",
    ],
)
def test_what_the_safe_loader_refuses_is_refused(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)
    with pytest.raises(yaml.YAMLError):
        load(text.encode())


def test_aliases_share_what_they_stand_for_so_that_a_bomb_stays_small() -> None:
    text = "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))

    read = load(text.encode())

    assert isinstance(read, dict)
    assert read["a29"][0] is read["a29"][8]


def test_a_value_that_holds_itself_is_read_as_such() -> None:
    read = load(b"&a [*a]")

    assert isinstance(read, list)
    assert read[0] is read


def test_a_key_that_comes_by_many_ways_is_there_once_and_costs_no_more() -> None:
    lines = ["a0: &a0 {a: 1}"]
    lines += [f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n  k{n}: {n}" for n in range(1, 60)]

    read = load("\n".join(lines).encode())

    assert isinstance(read, dict)
    assert read["a59"] == {"a": 1} | {f"k{n}": n for n in range(1, 60)}


def test_merge_keys_that_bring_too_much_together_are_refused() -> None:
    wide = f"a: &a {{{', '.join(f'k{n}: 1' for n in range(2_000))}}}\nb:\n" + "- {<<: *a}\n" * 1_100

    with pytest.raises(yaml.YAMLError, match="merge keys bring more than 2,000,000 values together"):
        load(wide.encode())
