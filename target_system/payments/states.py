"""The provider states of payments, for contract verification."""

from pydantic import JsonValue

from target_system.kit.store import Store
from target_system.kit.test_profile import StateHandlers
from target_system.payments.models import Charge, PaymentRefunded
from target_system.payments.till import Till, outbox

__all__ = ["provider_states"]

_EXAMPLE: dict[str, JsonValue] = {
    "id": "charge-1",
    "order_id": "order-1",
    "amount": 2499,
    "currency": "EUR",
    "status": "captured",
    "psp_reference": "auth-1",
    "livemode": True,
}


def provider_states(till: Till, store: Store) -> StateHandlers:
    """Return the states by name; parameters are fields of the charge."""

    def example(params: dict[str, JsonValue]) -> Charge:
        return Charge.model_validate(_EXAMPLE | {name: params[name] for name in _EXAMPLE if name in params})

    async def charge_exists(params: dict[str, JsonValue]) -> None:
        await till.put(example(params))

    async def charge_refunded(params: dict[str, JsonValue]) -> None:
        charge = example(params | {"status": "refunded"})
        await till.put(charge)
        data = PaymentRefunded.model_validate({"charge_id": charge.id, **charge.model_dump(include=_REFUND_FIELDS)})
        async with store.write() as connection:
            await outbox.publish(connection, "shop.payment.refunded", charge.order_id, data)

    async def nothing_needed(_params: dict[str, JsonValue]) -> None:
        """Some states are how payments is anyway, or a matter of its psp."""

    return {
        "a charge exists": charge_exists,
        "a charge was refunded": charge_refunded,
        "no charge exists": nothing_needed,
        "the card is accepted": nothing_needed,
        "the card is declined": nothing_needed,
    }


_REFUND_FIELDS = {"order_id", "amount", "currency"}
