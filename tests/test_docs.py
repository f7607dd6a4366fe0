"""What the documents say can be done: every command in them is one the command line takes, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from harness.cli import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "ci").glob("*.md")]
)
_COMMAND = re.compile(r"^\$ (?:\.venv/bin/)?harness (.*)$", re.MULTILINE)
_MAKE = re.compile(r"^\$ make ([a-z]+)", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in _COMMAND.finditer(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), found[1].split("  #")[0].split(" # ")[0].strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_every_harness_command_in_the_docs_is_understood(page: str, line: str) -> None:
    words = shlex.split(line)
    context = click.Context(cli)
    command = cli.get_command(context, words[0])
    assert command is not None, f"{page}: harness {line}"

    command.make_context(words[0], words[1:], parent=context).close()


def test_every_make_target_in_the_docs_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {m[1] for page in PAGES for m in _MAKE.finditer(page.read_text(encoding="utf-8"))}

    assert named <= targets


def test_every_link_leads_to_a_file() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in _LINK.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_published_schema_of_harness_toml_is_the_current_one() -> None:
    import json

    from harness.pipeline.schema import config_schema

    written = json.loads((ROOT / "docs/reference/harness.schema.json").read_text(encoding="utf-8"))

    assert written == config_schema(), "run: harness schema > docs/reference/harness.schema.json"


def test_the_page_of_rules_is_the_current_catalogue() -> None:
    from harness.report.changes import rules_table

    written = (ROOT / "docs/reference/diff-rules.md").read_text(encoding="utf-8")

    assert written == rules_table(), "run: harness diff --rules > docs/reference/diff-rules.md"
