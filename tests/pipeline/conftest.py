"""Stages of our own, installed through the entry point group like anybody's, so the real machinery runs them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.pipeline.bench import Bench

MODULE = '''
"""Stages whose behaviour a test writes into a file."""
import anyio, json, os, pathlib, time
from harness.errors import InfrastructureError, UsageError
from harness.evidence import Finding, Measure, Severity
from harness.pipeline import Environment
from harness.system.fields import StageSettings

class Base:
    title = "a stage for tests"
    settings = StageSettings
    after = ()
    requires = ()
    exclusive = False
    environment = Environment.NONE

    def inputs(self, system, settings):
        return ("inputs/*.txt",)

    async def run(self, context):
        script = json.loads((context.root / "script.json").read_text()).get(self.name, {})
        journal = context.root / "journal.txt"
        with journal.open("a") as f: f.write(f"{self.name} start {time.time()}\\n")
        await anyio.sleep(script.get("sleep", 0))
        with journal.open("a") as f: f.write(f"{self.name} end {time.time()}\\n")
        context.progress(1, 1, "done")
        if script.get("raise") == "usage": raise UsageError("the locustfile does not import")
        if script.get("raise") == "infrastructure": raise InfrastructureError("no disk")
        if script.get("raise") == "bug": raise KeyError("oops")
        if script.get("raise") == "exit": os._exit(9)
        for word in script.get("early", []):
            context.found(Finding(rule=f"{self.name}.early", severity=Severity.ERROR, title="found early", key=word))
        if script.get("litter"):
            (context.directory / "data").mkdir()
            (context.directory / "data" / "shop.db").write_text("rows")
            (context.directory / "web.tmp").mkdir()
            os.mkfifo(context.directory / "web.tmp" / "events")
            os.mkfifo(context.directory / "pipe")
        for _ in range(6000):  # until the test lets go; no longer than a minute
            if not script.get("hold") or (context.root / "go").exists(): break
            await anyio.sleep(0.01)
        if script.get("kill"):
            import signal
            os.kill(script["kill"], signal.SIGKILL)
        findings = [Finding(rule=f"{self.name}.wrong", severity=Severity(s), title="something is wrong", key=s)
                    for s in script.get("findings", [])]
        measures = [Measure(f"{self.name}.latency.p99", value, "ms", {"journey": "buy"}) for value in script.get("p99", [])]
        return context.result(work={"things": script.get("work", 1)}, findings=findings, measures=measures)

class Quick(Base):
    name = "quick"

class Other(Base):
    name = "other"

class Late(Base):
    name = "late"
    after = ("quick",)
    requires = ("quick",)

class Timed(Base):
    name = "timed"
    exclusive = True

class Using(Base):
    name = "using"
    environment = Environment.SYSTEM
    async def run(self, context):
        (context.root / "addresses.json").write_text(json.dumps(dict(context.addresses)))
        return await super().run(context)
'''
NAMES = ("quick", "other", "late", "timed", "using")


@pytest.fixture(scope="session")
def stage_environment(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Environment in which `harness` finds just the stages above: our entry points shadow the installed ones."""
    site = tmp_path_factory.mktemp("site")
    (site / "stages_for_tests.py").write_text(MODULE, encoding="utf-8")
    info = site / "release_harness-99.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: release-harness\nVersion: 99\n", encoding="utf-8")
    lines = [f"{n} = stages_for_tests:{n.title()}" for n in NAMES]
    (info / "entry_points.txt").write_text("[harness.stages]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join([str(site), str(Path.cwd())])}


@pytest.fixture
def bench(tmp_path: Path, stage_environment: Mapping[str, str]) -> Bench:
    return Bench(tmp_path, stage_environment)
