"""Lets the tests import booking's own client."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "apps" / "booking"))
