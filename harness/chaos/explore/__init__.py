"""Exploration: every kind of failure on every edge, and which promises hold. Written experiments are in the room above."""
