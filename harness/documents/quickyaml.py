"""YAML as plain values, about three times as fast as a loader that builds a tree of nodes first; limits are set elsewhere."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["load"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = (True, False)
_MERGE = "tag:yaml.org,2002:merge"
_TEXT = "tag:yaml.org,2002:str"
#: The most keys and values that all merge keys of a document may bring together.
_MOST_MERGED = 2_000_000


class _UnusualError(Exception):
    """Something that only the whole loader understands: a tag, a merge key, a key that is no scalar."""


def load(raw: bytes) -> object:
    """Read one document, as a safe loader does: aliases share what they stand for.

    Raises:
        yaml.YAMLError: when it is no YAML.
        RecursionError: when it is nested too deeply for the loader.
        ValueError: when a date or a number cannot be.
    """
    try:
        return _Builder(raw).document()
    except _UnusualError:
        return yaml.load(raw, Loader=_Whole)  # a safe loader, in C where there is one


class _Whole(_LOADER):  # type: ignore[misc]  # whichever there is
    """The whole loader; a key that comes by many ways (`<<: [*a, *a]`, again and again) is there once all the same."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self._merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what merge keys stand for into a mapping."""
        merges = any(key.tag == _MERGE for key, _ in node.value)
        super().flatten_mapping(node)
        if not merges:
            return
        once = {
            (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key): (key, v) for key, v in node.value
        }
        self._merged += len(once)
        if self._merged > _MOST_MERGED:
            raise yaml.constructor.ConstructorError(
                None, None, f"merge keys bring more than {_MOST_MERGED:,} values together", node.start_mark
            )
        node.value = list(once.values())


class _Builder:
    """Builds values straight from the parser's events."""

    def __init__(self, raw: bytes) -> None:
        self._loader = _LOADER(raw)
        self._anchors: dict[str, object] = {}
        self._scalars: dict[str, object] = {}
        self._open: list[Any] = []
        self._keys: list[
            Any
        ] = []  # for each open value: the key that waits for its value, `_NO_KEY`, or None in a list
        self._result: object = None

    def document(self) -> object:
        """The one document of the stream."""
        documents = 0
        while self._loader.check_event():
            event = self._loader.get_event()
            documents += isinstance(event, yaml.DocumentStartEvent)
            if documents > 1:
                raise _UnusualError
            self._take(event)
        return self._result

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            self._remember(event, value)
            self._put(value)
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.tag not in {None, "!"}:
                raise _UnusualError
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            container: object = {} if is_mapping else []
            self._remember(event, container)
            self._put(container)
            self._open.append(container)
            self._keys.append(_NO_KEY if is_mapping else None)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _UnusualError
            self._put(self._anchors[event.anchor])

    def _remember(self, event: Any, value: object) -> None:
        if event.anchor:
            self._anchors[event.anchor] = value

    def _put(self, value: object) -> None:
        if not self._open:
            self._result = value
        elif self._keys[-1] is None:
            self._open[-1].append(value)
        elif self._keys[-1] is _NO_KEY:
            if isinstance(value, dict | list):
                raise _UnusualError
            self._keys[-1] = _Key(value)
        else:
            self._open[-1][self._keys[-1].value] = value
            self._keys[-1] = _NO_KEY

    def _scalar(self, event: Any) -> object:
        if event.tag not in {None, "!"}:
            raise _UnusualError
        text: str = event.value
        if not event.implicit[0]:
            return text
        if text not in self._scalars:
            self._scalars[text] = self._plain(text)
        return self._scalars[text]

    def _plain(self, text: str) -> object:
        tag = self._loader.resolve(yaml.ScalarNode, text, _PLAIN)
        if tag == _TEXT:
            return text
        if tag == _MERGE:
            raise _UnusualError
        return self._loader.construct_object(yaml.ScalarNode(tag, text))


class _Key:
    """A key that waits for its value."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


_NO_KEY = _Key(None)
