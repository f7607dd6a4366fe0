"""Fault injection: a Toxiproxy-compatible server, its client, experiments and the chaos stage; no journeys of its own."""
