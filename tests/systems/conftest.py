"""The ticketing folder is somebody else's project: its tests are run by ours, not among them."""

collect_ignore = ["ticketing"]
