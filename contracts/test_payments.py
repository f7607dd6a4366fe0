"""What payments expects of the psp, which the team does not control."""

import pytest
from pact import match

from contracts.conftest import PATIENT
from harness.testing import PactFactory
from target_system.payments.clients import CardDeclined, PspClient

pytestmark = pytest.mark.anyio

AUTHORIZATION = {"id": match.str("auth-1"), "livemode": match.bool(True)}


@pytest.mark.parametrize(
    ("state", "source", "status"),
    [("the card is accepted", "tok_visa", 201), ("the card is declined", "tok_declined", 402)],
    ids=["accepted", "declined"],
)
async def test_an_authorization(pact: PactFactory, state: str, source: str, status: int) -> None:
    contract = pact("payments", "psp")
    amounts = {"amount": match.int(2499), "currency": match.regex("EUR", regex="^[A-Z]{3}$")}
    asked = (
        contract.upon_receiving(f"an authorization where {state}")
        .given(state)
        .with_request("POST", "/v1/authorizations")
        .with_header("Idempotency-Key", match.regex(f"contract-{source}", regex="^.+$"))
        .with_body({"source": source, **amounts}, content_type="application/json")
        .will_respond_with(status)
    )
    if status == 201:
        asked.with_body(AUTHORIZATION, content_type="application/json")
    with contract.serve() as server:
        async with PspClient(str(server.url), PATIENT) as psp:
            if status == 201:
                assert (await psp.authorize(f"contract-{source}", 2499, "EUR", source)).id == "auth-1"
            else:
                with pytest.raises(CardDeclined):
                    await psp.authorize(f"contract-{source}", 2499, "EUR", source)


async def test_a_refund(pact: PactFactory) -> None:
    contract = pact("payments", "psp")
    (
        contract.upon_receiving("a refund of an authorization")
        .given("an authorization exists", id="auth-1")
        .with_request(
            "POST", match.regex("/v1/authorizations/auth-1/refunds", regex=r"^/v1/authorizations/[\w-]+/refunds$")
        )
        .will_respond_with(200)
        .with_body(AUTHORIZATION, content_type="application/json")
    )
    with contract.serve() as server:
        async with PspClient(str(server.url), PATIENT) as psp:
            await psp.refund("auth-1")
