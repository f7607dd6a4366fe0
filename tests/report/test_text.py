"""How numbers and hostile text are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.evidence import Measure
from harness.report.text import duration, line, number, plain, value_text


@given(st.text(st.characters(), max_size=200))
def test_plain_text_holds_nothing_a_terminal_or_xml_would_obey(text: str) -> None:
    made = plain(text)
    made.encode("utf-8")
    assert all(c in "\t\n" or (ord(c) >= 0x20 and not 0x7F <= ord(c) <= 0x9F) for c in made)
    assert not any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 or c in "\u2028\u2029" for c in made)


def test_escape_sequences_stay_visible() -> None:
    assert plain("\x1b[31mred\x00") == "␛[31mred␀"


def test_a_line_is_one_line() -> None:
    assert line("a\n  b\tc\r\nd") == "a b c d"
    assert len(line("x" * 500, 100)) == 100


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (125, "2 min 05 s"), (3720, "1 h 02 min")],
)
def test_durations_read_as_people_say_them(seconds: float, written: str) -> None:
    assert duration(seconds) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (1234, "1,234"), (612.4, "612"), (12.34, "12.3"), (0.0042, "0.0042"), (float("nan"), "–")],
)
def test_numbers_have_the_digits_a_reader_needs(value: float, written: str) -> None:
    assert number(value) == written


@pytest.mark.parametrize(
    ("unit", "value", "written"),
    [("ratio", 0.0125, "1.2 %"), ("count", 5213, "5,213"), ("1/s", 49.8, "49.8 /s"), ("s", 125, "2 min 05 s")],
)
def test_measures_carry_their_unit(unit: str, value: float, written: str) -> None:
    assert value_text(Measure("x.y", value, unit)) == written
