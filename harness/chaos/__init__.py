"""Faults on the edges between services: a Toxiproxy server and client, experiments, and the chaos stage."""

__all__: list[str] = []
