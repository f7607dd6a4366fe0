"""Takes secrets out of text: by name, by shape and by value. Where it is done is in `masking` and `sweep`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.evidence._jsontext import MASK
from harness.evidence._names import is_secret_name, mask_names, may_have_names, squeezed
from harness.evidence._shapes import mask_shapes
from harness.evidence.secrets import SHARED, Secrets, plain_name

__all__ = ["MASK", "Redactor"]


#: Where one of these stands, a value may go on in the next line.
_GOES_ON = ("{\n", "[\n", "(\n", ":\n", "{\r", "[\r", "(\r", ":\r", "form-data")


#: How often text in which something was masked is looked through again, at most.
_ROUNDS = 3


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
        text = self.values(text)
        return mask_names(text, self.is_secret) if self._may_have_names(text) else text

    def lines(self, text: str) -> str:
        """The same for many lines that have little to do with one another, as in a log: quicker, as few hold anything."""
        text = self.values(text)
        if not self._may_have_names(text):
            return text
        if any(sign in text for sign in _GOES_ON):
            return mask_names(text, self.is_secret)
        return "\n".join(
            mask_names(line, self.is_secret) if self._may_have_names(line) else line for line in text.split("\n")
        )

    def values(self, text: str) -> str:
        """The same without what is secret by name only: for text about names, such as a comparison of documents."""
        for known in self._own.known:
            text = known.mask(text)
        for known in self._shared.known:
            if known.anchor in text:  # asked here as well: there are hundreds of them, and a call takes longer
                text = known.mask(text)
        for _ in range(_ROUNDS):
            clean = mask_shapes(text)
            if clean == text:
                break
            text = clean  # what stood beside one secret may look like another now
        return text

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return a copy of `headers` with secret ones masked."""
        return {k: MASK if self.is_secret(k) else self.text(v) for k, v in headers.items()}

    def is_secret(self, name: str) -> bool:
        """Whether what stands under this name is masked."""
        if is_secret_name(name):
            return True
        names = self._own.names | self._shared.names if self._own.names else self._shared.names
        return bool(names) and plain_name(name) in names

    def may_hold(self, text: str) -> bool:
        """Whether there may be a secret in a text, at a glance: often where there is none, never the other way round."""
        return self._may_have_names(text) or self.values(text) != text

    def _may_have_names(self, text: str) -> bool:
        if may_have_names(text):
            return True
        names = self._own.names | self._shared.names
        return bool(names) and any(map(squeezed(text).__contains__, names))
