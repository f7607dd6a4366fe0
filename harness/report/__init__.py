"""Handlers of events and results: terminal, JSON, JUnit, Markdown, HTML; nothing here decides anything."""

from harness.report.files import rebuild_reports, write_reports
from harness.report.terminal import terminal_handler

__all__ = ["rebuild_reports", "terminal_handler", "write_reports"]
