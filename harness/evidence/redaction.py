"""Takes secrets out of text: by name, by shape and by value. Where it is done is in `masking` and `sweep`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from harness.evidence._carriers import CARRIERS, by_name, may_have_secrets
from harness.evidence._jsontext import MASK
from harness.evidence._later import later
from harness.evidence._layers import layers
from harness.evidence._names import is_secret_name, squeezed
from harness.evidence._numbers import numbers
from harness.evidence._reading import Reading, Span, lowered
from harness.evidence._shapes import SHAPES, shapes
from harness.evidence._ways import Known, possible
from harness.evidence.secrets import SHARED, Secrets, plain_name

__all__ = ["MASK", "Redactor"]


#: Where one of these stands, a value may go on in the next line.
_GOES_ON = later(r"\n(?:(?<=[{\[(:>|]\n)|(?<=[{\[(:>|]\r\n)|(?<=[>|]-\n))")
_LONG = ("form-data", '"""', "'''", "machine ", "insert ", "value:")
#: How often text in which something was masked is looked through again, at most.
_ROUNDS = 2
_FEW_LINES = 4


class Redactor:
    """Masks what stands under secret names, what looks like a credential, and every value known to be one.

    Args:
        names: further names (headers, fields, parameters) to mask, any case, any separators.
        values: further secret values to mask wherever they stand, also encoded.
        secrets: what is known in this process; asked anew with every text.
    """

    def __init__(self, names: Iterable[str] = (), values: Iterable[str] = (), *, secrets: Secrets = SHARED) -> None:
        self._own, self._shared = Secrets(), secrets
        self._own.remember_names(names)
        self._own.remember(*values)

    def text(self, text: str) -> str:
        """Return `text` with every secret replaced by `MASK`; JSON stays JSON, and a second time changes nothing."""
        reading = self._without_values(text)
        return self._without_names(reading) if self._may_have_names(reading.text, reading.lower) else reading.source

    def lines(self, text: str) -> str:
        """The same for many lines that have little to do with one another, as in a log: quicker, as few hold anything."""
        reading = self._without_values(text)
        if not self._may_have_names(reading.text, reading.lower):
            return reading.source
        if _GOES_ON.search(reading.text) or any(map(reading.lower.__contains__, _LONG)):
            return self._without_names(reading)
        # A reading has the lines of its source.
        return "\n".join(self._lines(reading.source.split("\n"), reading.text.split("\n")))

    def _lines(self, lines: list[str], read: list[str]) -> list[str]:
        """Lines of which some hold something: halves that do not are not looked at closer."""
        if len(lines) <= _FEW_LINES:
            return [self._line(line) for line in lines]
        middle = len(lines) // 2
        halves = ((lines[:middle], read[:middle]), (lines[middle:], read[middle:]))
        return [
            line
            for half, as_read in halves
            for line in (self._lines(half, as_read) if self._may_have_names("\n".join(as_read)) else half)
        ]

    def _line(self, line: str) -> str:
        reading = Reading(line)
        return self._without_names(reading) if self._may_have_names(reading.text, reading.lower) else line

    def values(self, text: str) -> str:
        """The same without what is secret by name only: for text about names, such as a comparison of documents."""
        return self._without_values(text).source

    def _without_values(self, text: str) -> Reading:
        known = (*self._own.known, *self._shared.known)
        reading = Reading(*_without_known(text, known))
        if reading.text != reading.source:
            for one in possible(known, reading.text, reading.lower):
                reading = _without(reading, one.spans(reading.text, reading.lower))
        reading = _without(reading, layers(reading.text, known))
        clean = _without_shapes(reading)
        if clean is reading:
            return reading
        # What stood beside one secret may look like another now.
        lines = clean.source.split("\n")
        return Reading("\n".join(_again(line) if MASK in line else line for line in lines))

    def _without_names(self, reading: Reading) -> str:
        for is_there, find in CARRIERS:
            if is_there(reading.lower):
                reading = _without(reading, find(reading.text, self.is_secret))
        return reading.source

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return a copy of `headers` with secret ones masked."""
        return {k: MASK if self.is_secret(k) else self.text(v) for k, v in headers.items()}

    def is_secret(self, name: str) -> bool:
        """Whether what stands under this name is masked."""
        if is_secret_name(name):
            return True
        names = self._own.names | self._shared.names if self._own.names else self._shared.names
        return bool(names) and plain_name(name) in names

    def found(self, text: str) -> Iterator[str]:
        """What would be masked in a text by its name or its shape: secrets inside of something longer."""
        reading = Reading(text)
        by_shape = chain.from_iterable(shapes(shape, reading) for shape in SHAPES)
        for start, end, _ in chain(by_shape, by_name(reading, self.is_secret)):
            yield reading.text[start:end]

    def may_hold(self, text: str) -> bool:
        """Whether there may be a secret in a text, at a glance: often where there is none, never the other way round."""
        return self._may_have_names(text) or self.values(text) != text

    def _may_have_names(self, text: str, lower: str = "") -> bool:
        if may_have_secrets(lower or text.lower()):
            return True
        names = self._own.names | self._shared.names
        return bool(names) and any(map(squeezed(text).__contains__, names))


def _without_shapes(reading: Reading) -> Reading:
    for shape in SHAPES:
        reading = _without(reading, shapes(shape, reading))
    return _without(reading, numbers(reading.text))


def _again(line: str) -> str:
    for _ in range(_ROUNDS):
        clean = _without_shapes(Reading(line)).source
        if clean == line:
            break
        line = clean
    return line


def _without(reading: Reading, spans: Iterator[Span]) -> Reading:
    """A text without some spans, read anew; the same when there are none."""
    found = list(spans)
    return Reading(reading.without(found)) if found else reading


def _without_known(text: str, known: Iterable[Known]) -> tuple[str, str]:
    """A text without known values as they are written in it, and the same in lower case."""
    lower = lowered(text)
    for one in possible(known, text, lower):
        clean = _masked(text, one.spans(text, lower))
        if clean != text:
            text, lower = clean, lowered(clean)
    return text, lower


def _masked(text: str, spans: Iterator[Span]) -> str:
    pieces: list[str] = []
    done = 0
    for start, end, mask in spans:
        pieces += [text[done:start], mask]
        done = end
    return "".join((*pieces, text[done:])) if pieces else text
