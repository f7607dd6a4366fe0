"""The provider stage: each provider alone against every contract and scenario. `run` leads, `verification` is its child."""
