"""What hooks and pipes receive and may return."""

from .events import *  # noqa: F403
from .events import __all__  # noqa: F401
