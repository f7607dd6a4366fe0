"""The record shop's contracts: what each consumer expects of its providers. `pytest contracts` publishes the pacts."""
