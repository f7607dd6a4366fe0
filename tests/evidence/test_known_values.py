"""A known value is found in other case, below several encodings, broken into lines, and doubled where quoting doubles."""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence.redaction import MASK, Redactor
from harness.evidence.sweep import sweep_file

TOKEN = "tok-8F3a11b2C9d0E7"
BYTES = TOKEN.encode()
QUOTED = "p'a\"s5'wörd;x1"
BEYOND = "pä55wörd-Ünlü"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def lines(before: int, columns: int = 76) -> list[str]:
    return textwrap.wrap(encoded("x" * before + TOKEN + " and more text, so that there are lines to break"), columns)


WRITTEN = {
    "capitals": TOKEN.upper(),
    "small letters": f"bearer {TOKEN.lower()}",
    "capitals in base64 twice": encoded(encoded(TOKEN.upper())),
    "base64 twice": encoded(encoded(TOKEN)),
    "base64 twice, behind a user": encoded("job:" + encoded("bob:" + TOKEN)),
    "base64 twice, in a path": f"/jobs/{encoded(encoded(TOKEN))}",
    "base64 three times": encoded(encoded(encoded(TOKEN))),
    "hex, with its sign": f"0x{BYTES.hex().upper()}",
    "hex bytes": " ".join(f"0X{b:02X}" for b in BYTES),
    "an array in C": ",\n".join(", ".join(f"0x{b:02X}" for b in BYTES[i : i + 6]) for i in (0, 6, 12)),
    "decimal bytes": json.dumps({"type": "Buffer", "data": list(BYTES)}),
}
BREAKS: dict[str, Callable[[int], str]] = {
    "64 columns": lambda n: "\n".join(lines(n, 64)),
    "76 columns": lambda n: "\n".join(lines(n)),
    "CRLF": lambda n: "\r\n".join(lines(n)),
    "indented": lambda n: "a: |\n" + "\n".join(f"  {line}" for line in lines(n)),
    "JSON": lambda n: json.dumps({"a": "\n".join(lines(n))}),
    "JSON in JSON": lambda n: json.dumps(json.dumps({"a": "\r\n".join(lines(n, 64))})),
    "base64 twice": lambda n: "\n".join(textwrap.wrap(encoded("".join(lines(n))), 76)),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_value_made_by_a_machine_is_found_however_it_is_written(text: str) -> None:
    clean = Redactor(values=[TOKEN]).text(f"got {text}, there")

    assert MASK in clean
    assert len(clean) < 60


@pytest.mark.parametrize("written", BREAKS)
def test_a_value_in_base64_of_many_lines_is_found_wherever_they_break(written: str) -> None:
    clean = Redactor(values=[TOKEN])

    found = [MASK in clean.text(f"got {BREAKS[written](before)}") for before in range(30, 60)]

    assert all(found)


@pytest.mark.parametrize("start", ["", "\n", "é", "/", "say \n\t"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_stays_json_where_a_layer_of_encoding_is_masked(start: str, ascii_only: bool) -> None:
    document = {"a": start + encoded(encoded(TOKEN)), "b": start + "\n".join(lines(50)) + start}

    clean = Redactor(values=[TOKEN]).text(json.dumps(document, ensure_ascii=ascii_only).replace("/", "\\/"))

    assert MASK in json.loads(clean)["a"]


@pytest.mark.parametrize(
    "text",
    [
        "'{}'".format(QUOTED.replace("'", "''")),
        '"{}"'.format(QUOTED.replace('"', '""')),
        "'{}'".format(QUOTED.replace("'", "'\\''")),
        json.dumps(QUOTED.replace("'", "''")),
        json.dumps('"{}"'.format(QUOTED.replace('"', '""'))),
    ],
    ids=["SQL", "CSV", "shell", "SQL in JSON", "CSV in JSON"],
)
def test_quotation_marks_may_be_doubled(text: str) -> None:
    clean = Redactor(values=[QUOTED]).text(text)

    assert clean.replace("\\", "").strip("'\"") == MASK


@pytest.mark.parametrize("value", ["Winter-Sale", "Summer2026", "alphabetically"])
def test_words_and_short_values_keep_their_case(value: str) -> None:
    assert Redactor(values=[value]).text(value.swapcase()) == value.swapcase()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "latin-1"])
def test_a_line_in_another_encoding_amid_a_log_is_looked_through(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "shop.log"
    before, after = "ordinary café line\n".encode(), b"\nand one more\n"
    log.write_bytes(before + f"got {BEYOND} there".encode(encoding) + after)

    sweep_file(log, Redactor(values=[BEYOND]))

    assert log.read_bytes() == before + f"got {MASK} there".encode(encoding) + after


def test_base64_of_many_lines_is_not_cut_between_the_blocks_of_a_file(tmp_path: Path) -> None:
    log = tmp_path / "mail.log"
    filler, broken = textwrap.wrap(encoded("x" * 30_000), 76), lines(50)
    for start in (0, 16):
        log.write_text("\n".join([*filler[:200], "-" * start, *filler[:14], *broken, ""]))

        sweep_file(log, Redactor(values=[TOKEN]))

        assert broken[0] not in log.read_text()
