"""The schema stage: is every document valid, and does it keep what it promised? Comparing is in `compat`."""
