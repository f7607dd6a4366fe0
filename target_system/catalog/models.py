"""What the catalog says and hears on the wire, and its cursors; storage is in records.py."""

from typing import Annotated, Literal

from pydantic import Field

from target_system.kit.models import Currency, Identifier, Reply, Strict

__all__ = ["CURSOR_PATTERN", "Draft", "Record", "RecordPage", "position_of", "write_cursor"]

# Every text that matches is a cursor: a place in the order of records, whether or not a record is there.
CURSOR_PATTERN = "^c[0-7][0-9a-f]{15}$"
_MASK = 0x5A3C_96E1_0F78_B4D2  # only so that nobody is tempted to count with cursors

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Price = Annotated[int, Field(ge=1, le=100_000_000, description="in minor units of the currency")]
Format = Literal["lp", "ep", "single", "cd"]


class Draft(Strict):
    """A record as the shop's staff describe it."""

    title: Text
    artist: Text
    price: Price
    currency: Currency
    format: Format


class Record(Reply):
    """A record on sale; `version` counts its changes and is its entity tag."""

    id: Identifier
    title: Text
    artist: Text
    price: Price
    currency: Currency
    format: Format
    version: Annotated[int, Field(ge=1)]

    @property
    def etag(self) -> str:
        """The strong entity tag (RFC 9110, section 8.8.3)."""
        return f'"{self.version}"'


class RecordPage(Reply):
    """Some records in the order they came into the catalog."""

    items: list[Record]
    next_cursor: Annotated[str, Field(pattern=CURSOR_PATTERN)] | None = Field(
        description="where the next page starts; null on the last page"
    )


def write_cursor(position: int) -> str:
    """Write the cursor that continues after a position (0 to 2^63 - 1)."""
    return f"c{position ^ _MASK:016x}"


def position_of(cursor: str) -> int:
    """Read back the position; the cursor must match `CURSOR_PATTERN`."""
    return int(cursor[1:], 16) ^ _MASK
