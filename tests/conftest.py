"""For every test: what Hypothesis finds depends neither on how fast the machine is nor on luck.

The same examples are tried in each run, so that a red run speaks of what was changed. `make search` tries new ones, more of them.
"""

import gc
import signal

from hypothesis import HealthCheck, settings

_ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", _ANY_MACHINE, derandomize=True, database=None)
settings.register_profile("search", _ANY_MACHINE, derandomize=False, max_examples=2_000)
settings.load_profile("same")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As whatever runs in the background of a shell: who is started by a test would ignore it too.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """What is loaded by now stays: nobody need look through it for garbage again."""
    gc.collect()
    gc.freeze()
