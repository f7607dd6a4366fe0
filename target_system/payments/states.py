"""The provider states of payments, for contract verification."""

from pydantic import JsonValue

from target_system.kit.test_profile import StateHandlers
from target_system.payments.models import KeptCharge
from target_system.payments.till import Till

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


def provider_states(till: Till) -> StateHandlers:
    """Return the states by name; parameters are fields of the charge."""

    def example(params: dict[str, JsonValue]) -> KeptCharge:
        return KeptCharge.model_validate(_EXAMPLE | {name: params[name] for name in _EXAMPLE if name in params})

    async def charge_exists(params: dict[str, JsonValue]) -> None:
        await till.put(example(params))

    async def charge_refunded(params: dict[str, JsonValue]) -> None:
        # The till writes it down itself, so that what it publishes is what it always publishes.
        charge = example(params | {"status": "captured"})
        await till.put(charge)
        await till.refunded(charge)

    async def nothing_needed(_params: dict[str, JsonValue]) -> None:
        """Some states are how payments is anyway, or a matter of its psp."""

    return {
        "a charge exists": charge_exists,
        "a charge was refunded": charge_refunded,
        "no charge exists": nothing_needed,
        "the card is accepted": nothing_needed,
        "the card is declined": nothing_needed,
    }
