"""Which version of the project this is, on which branch and in which build: of the environment, else of git."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Build", "build_of"]

_GIT_S = 10.0
# GitHub, GitLab, Jenkins, CircleCI, Buildkite, Azure, Bitbucket, Travis; what the user says comes first.
_VERSION = (
    "PACT_PROVIDER_VERSION",
    "GITHUB_SHA",
    "CI_COMMIT_SHA",
    "GIT_COMMIT",
    "CIRCLE_SHA1",
    "BUILDKITE_COMMIT",
    "BUILD_SOURCEVERSION",
    "BITBUCKET_COMMIT",
    "TRAVIS_COMMIT",
)
_BRANCH = (
    "PACT_PROVIDER_BRANCH",
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_COMMIT_REF_NAME",
    "BRANCH_NAME",
    "GIT_BRANCH",
    "CIRCLE_BRANCH",
    "BUILDKITE_BRANCH",
    "BUILD_SOURCEBRANCHNAME",
    "BITBUCKET_BRANCH",
    "TRAVIS_BRANCH",
)
_URL = (
    "PACT_BUILD_URL",
    "CI_JOB_URL",
    "BUILD_URL",
    "CIRCLE_BUILD_URL",
    "BUILDKITE_BUILD_URL",
    "TRAVIS_BUILD_WEB_URL",
)


@dataclass(frozen=True, slots=True)
class Build:
    """What a broker is told about this build; what is not known is empty."""

    version: str
    branch: str
    url: str


def build_of(root: Path, env: Mapping[str, str]) -> Build:
    """Find out.

    Args:
        root: a folder of the project's repository.
        env: environment to look at.
    """
    branch = _first(env, _BRANCH) or _git(root, "rev-parse", "--abbrev-ref", "HEAD")
    return Build(
        version=_first(env, _VERSION) or _git(root, "rev-parse", "HEAD"),
        branch="" if branch == "HEAD" else branch.removeprefix("origin/"),
        url=_first(env, _URL) or _github(env),
    )


def _first(env: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((env[n].strip() for n in names if env.get(n, "").strip()), "")


def _github(env: Mapping[str, str]) -> str:
    parts = [env.get(n, "") for n in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    return "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, check=False, timeout=_GIT_S, text=True, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
