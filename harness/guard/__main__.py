"""`python -m harness.guard [--first MODULE]... MODULE ARGUMENTS`: a module, as a guarded process."""

import sys

from harness.guard.child import main

if __name__ == "__main__":
    main(sys.argv[1:])
