"""Pairs of failures, on two edges at once: which of them can show what no single one does, and what came of them."""
