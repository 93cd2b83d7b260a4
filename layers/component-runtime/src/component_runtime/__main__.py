"""`python -m component_runtime`: serves the component that component.json describes.

`--check` loads everything and ends, `--health` asks the process that serves in this container.
"""

from __future__ import annotations

import os
import sys

# Before anything else is imported: modules of the project must not be taken for those of the standard library.
sys.dont_write_bytecode = True
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd(), "/app") or path == _HERE]

from component_runtime import health  # noqa: E402

if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--health"]:
        sys.exit(health.check(os.environ))
    # A health check runs every few seconds, and needs none of it.
    from component_runtime.main import main

    sys.exit(main(arguments, dict(os.environ)))
