"""A Toxiproxy-compatible server, run as its own process (`python -m harness.chaos.server`); nothing else imports it."""
