"""Contracts: pacts, provider verification, documents and their compatibility. The door for the pipeline is `stage`.

Nothing is loaded here: every process that verifies, and every pytest with our plugin, comes through this door.
"""
