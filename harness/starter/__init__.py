"""Writes a starter for a system of the user's own: `harness.toml` and one small, working example of each suite."""

from harness.starter.describe import Answers, EdgeAnswer, ServiceAnswer, read_flags
from harness.starter.write import starter_files, write_starter

__all__ = ["Answers", "EdgeAnswer", "ServiceAnswer", "read_flags", "starter_files", "write_starter"]
