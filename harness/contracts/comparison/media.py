"""Media types: which of those on offer fits what is asked for (RFC 9110, section 12.5.1; RFC 6839 for `+json`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["bare", "is_form", "is_json", "is_multipart", "matching"]


def bare(media: str) -> str:
    """A media type without parameters, in lower case."""
    return media.split(";", 1)[0].strip().lower()


def is_json(media: str) -> bool:
    """Whether bodies of a media type are JSON, as far as one can tell."""
    name = bare(media)
    return name.endswith(("/json", "+json")) or name in {"*/*", "application/*"}


def is_form(media: str) -> bool:
    """Whether bodies are fields in the way of a query string."""
    return bare(media) == "application/x-www-form-urlencoded"


def is_multipart(media: str) -> bool:
    """Whether bodies are parts with names."""
    return bare(media) == "multipart/form-data"


def matching(wanted: str, offered: Sequence[str]) -> str | None:
    """The one on offer that fits best, None when none does.

    Args:
        wanted: a media type or the value of an `Accept` header.
        offered: media types and ranges, as the document writes them.
    """
    ranges = _by_weight(wanted)
    for fits in _WAYS:
        for one in ranges:
            for offer in offered:
                if fits(one, _normal(offer)):
                    return offer
    return None


def _by_weight(accept: str) -> list[str]:
    weighed = []
    for item in accept.split(","):
        text, weight = _normal(item), 1.0
        kept = []
        for part in text.split(";"):
            if part.startswith("q="):
                try:
                    weight = float(part[2:])
                except ValueError:
                    weight = 1.0
            else:
                kept.append(part)
        if weight > 0 and kept[0]:
            weighed.append((-weight, ";".join(kept)))
    return [text for _, text in sorted(weighed, key=lambda pair: pair[0])]


def _normal(media: str) -> str:
    return "".join(media.split()).lower()


def _halves(media: str) -> tuple[str, str]:
    main, _, sub = bare(media).partition("/")
    return main, sub


def _suffix(one: str, other: str) -> bool:
    """Whether one is the other made narrower: `hal+json` is `json`, but it is not `problem+json`."""
    (main, sub), (offered_main, offered_sub) = _halves(one), _halves(other)
    plain = sub.rsplit("+", 1)[-1]
    return (
        main == offered_main and bool(sub) and plain == offered_sub.rsplit("+", 1)[-1] and plain in {sub, offered_sub}
    )


def _covers(broad: str, narrow: str) -> bool:
    main, sub = _halves(broad)
    return (sub == "*" and main in {"*", _halves(narrow)[0]}) or broad == "*"


#: From the closest fit to the loosest.
_WAYS: tuple[Callable[[str, str], bool], ...] = (
    lambda one, offer: one == offer,
    lambda one, offer: bare(one) == bare(offer),
    _suffix,
    lambda one, offer: _covers(offer, one),
    _covers,
)
