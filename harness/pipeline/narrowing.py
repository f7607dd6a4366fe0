"""Which stages keep to which keys of `--only`. A filter that a stage does not know is never passed over in silence."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from harness.pipeline.stage import Narrows, Stage

__all__ = ["cannot_narrow", "keys_of", "known_keys"]


def keys_of(stage: Stage) -> tuple[str, ...]:
    """Keys of `--only` a stage keeps to."""
    return stage.narrows if isinstance(stage, Narrows) else ()


def known_keys(stages: Collection[Stage]) -> tuple[str, ...]:
    """Keys that any stage keeps to, sorted."""
    return tuple(sorted({key for stage in stages for key in keys_of(stage)}))


def cannot_narrow(name: str, stage: Stage, only: Collection[str], stages: Mapping[str, Stage]) -> str:
    """Why a stage cannot be narrowed as asked: by itself it would run whole; empty when it can be.

    Args:
        only: keys asked for.
        stages: all there are, to say which ones know the key.
    """
    unknown = [key for key in only if key not in keys_of(stage)]
    if not unknown:
        return ""
    key = unknown[0]
    knowing = [n for n, s in stages.items() if key in keys_of(s)]
    own = ", ".join(keys_of(stage)) or "no key at all"
    return f"{name} cannot be narrowed by {key}: it knows {own}; --only {key}=... is for {', '.join(knowing) or 'no stage'}"
