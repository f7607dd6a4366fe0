"""What the API reads and shows: the structs of its requests, named as in the original's errors, and the JSON sent back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from harness.chaos.faults import FAULTS, Fault
from harness.chaos.server.addresses import ApiError
from harness.chaos.server.godecode import Field, GoObject, Kind, Shape, read_array, read_object
from harness.chaos.server.link import Toxic
from harness.chaos.server.proxy import Proxy

__all__ = [
    "fault_from",
    "new_fault",
    "proxy_json",
    "read_proxies",
    "read_proxy",
    "read_toxic",
    "read_toxic_update",
    "read_wish",
    "toxic_json",
]

_ANY = Shape("toxics.NoopToxic", {})
_PROXY = Shape(
    "toxiproxy.Proxy",
    {
        "name": Field("string", "Proxy.name"),
        "listen": Field("string", "Proxy.listen"),
        "upstream": Field("string", "Proxy.upstream"),
        "enabled": Field("bool", "Proxy.enabled"),
    },
)
#: In a list of proxies a proxy lies inside a struct without a name, and `enabled` outside the proxy.
_LISTED = Shape(
    'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }',
    {name: Field(f.kind, "." + (name if name == "enabled" else f.place)) for name, f in _PROXY.fields.items()},
)
_TOXIC = Shape(
    "toxics.ToxicWrapper",
    {
        "attributes": Field(_ANY, "ToxicWrapper.attributes"),
        "name": Field("string", "ToxicWrapper.name"),
        "type": Field("string", "ToxicWrapper.type"),
        "stream": Field("string", "ToxicWrapper.stream"),
        "toxicity": Field("float32", "ToxicWrapper.toxicity"),
    },
)
_RECORD = Shape("harness.Calls", {"record": Field("bool", "Calls.record")})
_UPDATE = 'struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }'


def read_proxy(body: bytes) -> GoObject:
    """Read what a proxy is to be.

    Raises:
        ApiError: 400 when the body is not that; so do the others here.
    """
    return read_object(body, _PROXY)


def read_proxies(body: bytes) -> list[GoObject]:
    """Read a list of proxies."""
    return read_array(body, _LISTED)


def read_toxic(body: bytes) -> GoObject:
    """Read what a new toxic is to be, but for its attributes: their kinds depend on its type."""
    return read_object(body, _TOXIC)


def read_toxic_update(body: bytes, type_: str) -> GoObject:
    """Read new attributes and toxicity of a toxic of a type."""
    attributes = Field(_attributes(type_), ".attributes")
    return read_object(body, Shape(_UPDATE, {"attributes": attributes, "toxicity": Field("float32", ".toxicity")}))


def read_wish(body: bytes) -> GoObject:
    """Read whether calls are to be recorded."""
    return read_object(body, _RECORD)


def new_fault(type_: str, body: bytes) -> Fault:
    """Read the attributes of a new toxic, with the defaults of its type."""
    attributes = Field(_attributes(type_), ".attributes")
    return fault_from(FAULTS[type_](), read_object(body, Shape(_UPDATE, {"attributes": attributes})))


def fault_from(old: Fault, wish: GoObject) -> Fault:
    """A fault with the attributes wished for; what is not given stays.

    Raises:
        ApiError: 400 when an attribute of a fault of our own makes no sense.
    """
    attributes = wish.object("attributes")
    values: dict[str, Any] = {}
    for f in fields(old):
        default = getattr(old, f.name)
        values[f.name] = (
            attributes.text(f.name, default) if isinstance(default, str) else attributes.integer(f.name, default)
        )
    fault = type(old)(**values)
    if problem := fault.problem():
        raise ApiError(problem, 400)
    return fault


def _attributes(type_: str) -> Shape:
    go_name = "ResetToxic" if type_ == "reset_peer" else "".join(p.title() for p in type_.split("_")) + "Toxic"
    number: Kind = "int" if type_ == "slicer" else "int64"
    kinds: dict[str, Kind] = {f.name: "string" if f.type == "str" else number for f in fields(FAULTS[type_])}
    return Shape(f"toxics.{go_name}", {n: Field(kind, f"{go_name}.attributes.{n}") for n, kind in kinds.items()})


def toxic_json(toxic: Toxic) -> dict[str, object]:
    """A toxic as the API shows it."""
    toxicity = int(toxic.toxicity) if toxic.toxicity == int(toxic.toxicity) else toxic.toxicity
    return {
        "attributes": {f.name: getattr(toxic.fault, f.name) for f in fields(toxic.fault)},
        "name": toxic.name,
        "type": toxic.type,
        "stream": toxic.stream,
        "toxicity": toxicity,
    }


def proxy_json(proxy: Proxy) -> dict[str, object]:
    """A proxy as the API shows it."""
    return {
        "name": proxy.name,
        "listen": proxy.listen,
        "upstream": proxy.upstream,
        "enabled": proxy.enabled,
        "toxics": [toxic_json(t) for t in proxy.listed()],
    }
