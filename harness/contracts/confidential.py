"""What a pact's interactions send in confidence, told to the masking: a provider may repeat it wherever it likes."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from typing import Any

from harness.evidence.credentials import Credentials, Said, credentials, remember_said

__all__ = ["UNCUT", "remember_sent"]

#: Has pytest show values whole: of one that is shortened in the middle, neither end would be recognised as part of a secret.
UNCUT = ("-o", "verbosity_assertions=2")


def remember_sent(interaction: Mapping[str, Any]) -> None:
    """Remember what an interaction, as it stands in a pact of any version, sends in confidence."""
    find = credentials()
    text = json.dumps(interaction)
    if '"encoded"' in text or find.may_hold(text):
        remember_said(_said(interaction, find))


def _said(interaction: Mapping[str, Any], find: Credentials) -> Iterator[Said]:
    yield from find.of_json(interaction.get("providerStates"))
    for part in (interaction, interaction.get("request")):
        if not isinstance(part, Mapping):
            continue
        yield from find.of_target(str(part.get("path", "")))
        yield from find.of_headers(_pairs(part.get("headers")))
        yield from find.of_headers(_pairs(part.get("metadata") or part.get("metaData")))
        query = part.get("query")
        yield from find.of_form(query) if isinstance(query, str) else find.of_fields(_pairs(query))
        for key in ("body", "contents"):
            body = _content(part.get(key))
            yield from find.of_body(body) if isinstance(body, str) else find.of_json(body)


def _pairs(headers: object) -> Iterator[tuple[str, str]]:
    for name, values in headers.items() if isinstance(headers, Mapping) else ():
        for value in values if isinstance(values, list) else [values]:
            yield str(name), str(value)


def _content(body: object) -> object:
    """What a body is: version 4 says beside it how it is written."""
    if not isinstance(body, Mapping) or "content" not in body:
        return body
    content = body["content"]
    if body.get("encoded") and isinstance(content, str):
        try:
            return base64.b64decode(content).decode("utf-8", "replace")
        except (binascii.Error, ValueError):
            return content
    return content
