"""Handlers of events and results: terminal, JSON, JUnit, Markdown, HTML; nothing here decides anything."""

from harness.report.closing import summary_text
from harness.report.files import rebuild_reports, write_reports, write_result
from harness.report.result_json import read_result
from harness.report.terminal import terminal_handler

__all__ = ["read_result", "rebuild_reports", "summary_text", "terminal_handler", "write_reports", "write_result"]
