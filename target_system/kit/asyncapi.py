"""AsyncAPI 3.0 documents made from the models of the events. Sending them is the outbox's job."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

__all__ = ["CLOUDEVENTS_JSON", "EventType", "asyncapi_document"]

CLOUDEVENTS_JSON = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event a service publishes or listens to.

    Args:
        name: the CloudEvents type, e.g. `shop.order.confirmed`.
        data: model of its data.
        summary: when it is sent, or what is done about it, in a sentence.
        action: what the service does with it. Who receives promises to read it with no more than is declared required.
    """

    name: str
    data: type[BaseModel]
    summary: str
    action: Literal["send", "receive"] = "send"


def asyncapi_document(title: str, version: str, description: str, events: Sequence[EventType]) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of a service that sends or receives `events`, one channel per type."""
    messages = {event.name: _message(event) for event in events}
    schemas: dict[str, Any] = {}
    for event in events:
        mode: Literal["serialization", "validation"] = "serialization" if event.action == "send" else "validation"
        schema = event.data.model_json_schema(ref_template="#/components/schemas/{model}", mode=mode)
        schemas |= schema.pop("$defs", {}) | {event.data.__name__: schema}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": title, "version": version, "description": description},
        "defaultContentType": CLOUDEVENTS_JSON,
        "channels": {
            name: {"address": name, "messages": {name: {"$ref": f"#/components/messages/{name}"}}} for name in messages
        },
        "operations": {
            f"{event.action}.{event.name}": {
                "action": event.action,
                "channel": {"$ref": f"#/channels/{event.name}"},
                "messages": [{"$ref": f"#/channels/{event.name}/messages/{event.name}"}],
            }
            for event in events
        },
        "components": {"messages": messages, "schemas": schemas},
    }


def _message(event: EventType) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    always = ["specversion", "id", "source", "type", "data"]
    sent = ["subject", "time", "datacontenttype"] if event.action == "send" else []
    return {
        "name": event.name,
        "summary": event.summary,
        "contentType": CLOUDEVENTS_JSON,
        "payload": {
            "type": "object",
            "description": "CloudEvents 1.0, structured mode.",
            "required": [*always, *sent],
            "properties": {
                "specversion": {"const": "1.0"},
                "id": text,
                "source": {"type": "string", "format": "uri-reference"},
                "type": {"const": event.name},
                "subject": text,
                "time": {"type": "string", "format": "date-time"},
                "datacontenttype": {"const": "application/json"},
                "traceparent": {"type": "string"},
                "synthetic": {"type": "boolean"},
                "data": {"$ref": f"#/components/schemas/{event.data.__name__}"},
            },
        },
    }
