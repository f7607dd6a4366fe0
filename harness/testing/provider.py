"""What a scenario holds in its hands: the provider's address, a client, its states, and what it publishes."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import httpx

from harness.contracts.provider.states import StateChange, StateFunction
from harness.contracts.provider.upstream import exchange
from harness.guard import address

if TYPE_CHECKING:
    from harness.system.model import Service
    from harness.testing.recorder import Recorder

__all__ = ["Provider"]


class Provider:
    """A provider that runs alone.

    `name`: the service. `url`: its base URL, for the consumer's own client; what is asked there is recorded. `headers`: what
    lets a caller in (`auth` in harness.toml) and puts a request into the scenario's trace. `client`: an httpx client with both.

    Args:
        recorder: stands in front of the provider.
        auth: headers that let a caller in.
        service: how harness.toml describes it; None where there is no such file.
    """

    #: The longest the provider may take to answer one request, in seconds.
    timeout_s: ClassVar[float] = 10.0

    def __init__(self, name: str, recorder: Recorder, auth: Mapping[str, str], service: Service | None) -> None:
        self.name, self.url = name, recorder.url
        self.headers: dict[str, str] = {**auth, "traceparent": recorder.traceparent}
        self.client = httpx.Client(base_url=self.url, headers=self.headers, timeout=self.timeout_s, trust_env=False)
        self._recorder, self._service = recorder, service
        self._given: list[tuple[str, dict[str, object]]] = []

    @property
    def trace_id(self) -> str:
        """The W3C trace id of the scenario's requests, to look for in the provider's log."""
        return self._recorder.trace_id

    def given(self, state: str, /, **params: object) -> None:
        """Put the provider into a state, through its own handler; it is told when the scenario is over.

        Raises:
            AssertionError: when it has no handler, or the handler refuses.
        """
        __tracebackhide__ = True
        if self._service is None or not self._service.states:
            raise AssertionError(
                f'nobody puts {self.name} into the state "{state}": set services.{self.name}.states in harness.toml to '
                "the path of a provider-state handler"
            )
        if self._recorder.nonsense:
            return  # nobody is there to be put into a state
        status, answer = self._change(state, "setup", params)
        if not 200 <= status < 300:
            raise AssertionError(f'{self.name} cannot be put into the state "{state}": {status or ""} {answer}')
        self._given.append((state, params))

    def published(self, description: str) -> Any:
        """The message the provider publishes under this description, as it is now: no state is set up for it.

        Returns:
            The contents, decoded where they are JSON; None when the provider has nothing to publish (it answers 404).

        Raises:
            AssertionError: when it cannot be asked, or answers with an error or with nothing.
        """
        __tracebackhide__ = True
        if self._service is None or not self._service.messages:
            raise AssertionError(
                f"{self.name} cannot be asked for messages: set services.{self.name}.messages in harness.toml"
            )
        status, answer = self._post(self._service.messages, {"description": description, "providerStates": []})
        if status == 404:
            return None
        if not 200 <= status < 300 or not answer.strip():
            raise AssertionError(f'{self.name} gave no message for "{description}": {status or ""} {answer}')
        try:
            return json.loads(answer)
        except ValueError:
            return answer

    def close(self) -> None:
        """Let the provider leave its states, the last one first, and end the client."""
        for state, params in reversed(self._given):
            status, answer = self._change(state, "teardown", params)
            if not 200 <= status < 300:
                warnings.warn(f'{self.name} could not leave the state "{state}": {status or ""} {answer}', stacklevel=2)
        self._given.clear()
        self.client.close()

    def _change(
        self, state: str, action: Literal["setup", "teardown"], params: Mapping[str, object]
    ) -> tuple[int, str]:
        assert self._service is not None
        states = self._service.states
        if not StateFunction.is_meant(states):
            return self._post(states, {"state": state, "params": params, "action": action})
        try:
            # The stage runs scenarios in the folder of harness.toml, where such a function's imports start.
            function = StateFunction.load(states, Path.cwd(), self.timeout_s)
        except LookupError as error:
            return 0, str(error)
        problem = function.change(StateChange(state, action, self._recorder.base_url, params))
        return (0, problem) if problem else (200, "")

    def _post(self, path: str, body: Mapping[str, object]) -> tuple[int, str]:
        if self._recorder.nonsense:
            return self._recorder.nonsense[0], self._recorder.nonsense[1].decode()
        # Not through the recorder: that the stage was set is no call of the scenario.
        headers = {"Content-Type": "application/json", "traceparent": self._recorder.traceparent}
        url = address(self._recorder.base_url, path)
        status, _, answer = exchange("POST", url, headers, json.dumps(body).encode(), self.timeout_s)
        return status, answer.decode(errors="replace")
