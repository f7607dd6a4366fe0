"""Files that tools left are masked once, in place; what is being written, what is binary and what is JSON is not broken."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from harness.evidence.redaction import MASK, Redactor
from harness.evidence.secrets import SHARED
from harness.evidence.sweep import sweep
from harness.pipeline.scheduler import hands_on

CANARY = "canary-of-the-sweep"


def test_a_log_is_masked_and_the_rest_of_it_stays(tmp_path: Path) -> None:
    lines = [f'{{"n": {n}, "path": "/orders/{n}"}}' for n in range(5000)]
    log = tmp_path / "a" / "service.log"
    log.parent.mkdir()
    log.write_text("\n".join([*lines, f"password={CANARY}", *lines]) + "\n")

    assert sweep(tmp_path) == []

    assert log.read_text() == "\n".join([*lines, f"password={MASK}", *lines]) + "\n"


def test_a_process_that_still_appends_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(f"token={CANARY} and more\n".encode())
        sweep(tmp_path)
        writer.write(b"next line\n")

    assert log.read_text() == f"token={MASK} and more\nnext line\n"


def test_a_document_stays_json_and_a_key_over_many_lines_goes(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\n" + "abcdefgh\n" * 4000 + "-----END PRIVATE KEY-----"
    (tmp_path / "a.json").write_text(json.dumps({"secrets": {"pin": 1234}, "a": [1, 2]}, indent=2))
    (tmp_path / "key.log").write_text("x" * 16_300 + f"\n{key}\nafter\n")

    sweep(tmp_path)

    assert json.loads((tmp_path / "a.json").read_text()) == {"secrets": MASK, "a": [1, 2]}
    assert (tmp_path / "key.log").read_text() == "x" * 16_300 + f"\n{MASK}\nafter\n"


def test_a_binary_file_keeps_its_length(tmp_path: Path) -> None:
    SHARED.remember(CANARY)
    start = b"SQLite format 3\0" + b"\0" * 1_048_560
    (tmp_path / "data.db").write_bytes(start + CANARY.encode() + b"\0tail")

    sweep(tmp_path, Redactor())

    assert (tmp_path / "data.db").read_bytes() == start + b"*" * len(CANARY) + b"\0tail"


@pytest.mark.parametrize(
    "line",
    [
        b"GET /a?x=\0\0 password=canary-of-the-sweep",
        b"pass\0word=canary-of-the-sweep",
        b"\xff\xfe\xed\xa0\x80 token: canary-of-the-sweep",
        b"\x1b[32mpassword\x1b[0m=\x1b[1mcanary-of-the-sweep\x1b[0m",
    ],
)
def test_odd_bytes_hide_nothing_in_a_log(tmp_path: Path, line: bytes) -> None:
    log = tmp_path / "service.log"
    log.write_bytes(b"\0begin\n" + line + b"\nend\xfe\n")

    sweep(tmp_path)

    clean = log.read_bytes()
    assert CANARY.encode() not in clean
    assert clean.startswith(b"\0begin\n")
    assert clean.endswith(b"\nend\xfe\n")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_log_in_utf_16_stays_one(tmp_path: Path, encoding: str) -> None:
    log = tmp_path / "service.log"
    log.write_bytes(f'begin\r\n{{"pässword": 1, "p\\u0061ssword": "{CANARY}"}}\r\nend\r\n'.encode(encoding))

    sweep(tmp_path)

    text = log.read_bytes().decode(encoding)
    assert f'"p\\u0061ssword": "{MASK}"' in text
    assert text.startswith("begin\r\n")
    assert text.endswith("\r\nend\r\n")


def test_a_key_that_was_cut_takes_nothing_with_it_but_its_own_lines(tmp_path: Path) -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + f"{'MIIEowIBAAKCAQEA' * 4}\n" * 3
    (tmp_path / "service.log").write_text(f"before\n{key}started in 3 ms\nlistening\n")

    sweep(tmp_path)

    assert (tmp_path / "service.log").read_text() == f"before\n{MASK}\nstarted in 3 ms\nlistening\n"


def test_a_value_in_the_next_line_is_found_where_blocks_end(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("x" * 16_375 + f"\npassword:\n  {CANARY}\nend\n")

    sweep(tmp_path)

    assert CANARY not in log.read_text()


def test_what_was_swept_is_for_its_owner_only_and_links_are_left_alone(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text(f"password={CANARY}")
    outside.chmod(0o644)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    (folder / "file").touch(mode=0o644)

    sweep(folder)

    assert stat.S_IMODE((folder / "file").stat().st_mode) == 0o600
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644
    assert CANARY in outside.read_text()


def test_where_patience_is_over_what_might_hold_a_secret_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.evidence.sweep._PATIENCE_S", 0.0)
    evil = tmp_path / "service.log"
    evil.write_text(('token=("' * 500 + "\n") * 20 + "harmless\n" * 5000 + "token=canary-at-the-end\n")
    sweep(tmp_path)

    text = evil.read_text()
    assert "canary-at-the-end" not in text
    assert "left out: it would take too long" in text
    assert "harmless\nharmless" in text


def test_a_line_nobody_would_read_is_cut(tmp_path: Path) -> None:
    log = tmp_path / "service.log"
    log.write_text("begin " + 'token=("' * 100_000 + " token=canary-in-it\nnext line\n")
    sweep(tmp_path)

    text = log.read_text()
    assert text.startswith("begin ")
    assert text.endswith("characters left out\nnext line\n")
    assert "canary" not in text


def test_a_file_without_end_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.evidence.sweep._LARGEST", 1_000_000)
    log = tmp_path / "service.log"
    log.write_bytes(b"password=canary\n" + b"an ordinary line\n" * 200_000)

    assert sweep(tmp_path, Redactor()) == []

    text = log.read_text()
    assert len(text) < 1_001_000
    assert text.startswith(f"password={MASK}\n")
    assert text.endswith(" bytes left out: a file is kept up to 1 MB]\n")


def test_what_somebody_still_works_with_is_left_as_it_is(tmp_path: Path) -> None:
    for name in ("pacts", "log"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("card_token=canary")

    sweep(tmp_path, leave=hands_on("consumer"))
    assert [(tmp_path / n / "a.txt").read_text() for n in ("pacts", "log")] == [
        "card_token=canary",
        f"card_token={MASK}",
    ]

    sweep(tmp_path / "pacts", leave=hands_on("consumer/pacts"))
    assert (tmp_path / "pacts" / "a.txt").read_text() == f"card_token={MASK}"
