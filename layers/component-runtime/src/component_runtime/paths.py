"""Where Python finds the project's modules.

The project comes after the standard library and before installed packages: a script called `calendar.py` is found by its
neighbours under that name only when the standard library has none, and never breaks the runtime.
"""

from __future__ import annotations

import os
import sys

COMPAT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "compat")


def arrange(project: str) -> None:
    """Puts the project behind the standard library, and the stand-in for the woodwork engine last."""
    project = os.path.realpath(project)
    sys.path[:] = [path for path in sys.path if os.path.realpath(path or os.curdir) != project]
    add(project)
    if COMPAT not in sys.path:
        sys.path.append(COMPAT)


def add(folder: str) -> None:
    """Makes the modules of a folder importable."""
    folder = os.path.realpath(folder)
    if folder in sys.path:
        return
    installed = (index for index, path in enumerate(sys.path) if os.path.basename(path) in ("site-packages", "dist-packages"))
    sys.path.insert(next(installed, len(sys.path)), folder)
