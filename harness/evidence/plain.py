"""Hostile characters made harmless: what could steer a terminal, break an XML parser or deceive a reader's eye."""

from __future__ import annotations

import re
import unicodedata

from harness.evidence._later import later

__all__ = ["plain"]

#: Controls (C0 without tab and newline, C1, DEL), marks that change the direction of text, and surrogates.
_HOSTILE = later("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def plain(text: str) -> str:
    """Make text harmless for a terminal and valid for XML; what was dangerous stays visible (ESC becomes ␛)."""
    return _HOSTILE.sub(_picture, text.replace("\r\n", "\n"))


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    return "\ufffd" if unicodedata.category(match[0]) in {"Cs", "Cn"} else f"<U+{code:04X}>"
