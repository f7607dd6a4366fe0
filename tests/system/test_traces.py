from __future__ import annotations

from harness.system.traces import trace_lines


def test_lines_of_one_trace_are_found_service_by_service(tmp_path):
    (tmp_path / "a.log").write_text("one abc\nother def\ntwo abc\n")
    (tmp_path / "b.log").write_text("three abc\n")
    logs = {"a": tmp_path / "a.log", "b": tmp_path / "b.log", "gone": tmp_path / "gone.log"}
    assert trace_lines(logs, "abc") == ("a | one abc", "a | two abc", "b | three abc")


def test_only_the_last_lines_are_kept_and_long_ones_cut(tmp_path):
    (tmp_path / "a.log").write_text("".join(f"{i} abc {'x' * 100}\n" for i in range(20)))
    assert trace_lines({"a": tmp_path / "a.log"}, "abc", per_service=2, width=6) == ("a | 18 abc", "a | 19 abc")


def test_no_trace_id_finds_nothing(tmp_path):
    (tmp_path / "a.log").write_text("anything\n")
    assert trace_lines({"a": tmp_path / "a.log"}, "") == ()
