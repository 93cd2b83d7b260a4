"""All payload classes, for `from woodwork.payloads import ...`."""

from .types.events import *  # noqa: F403
from .types.events import __all__  # noqa: F401
