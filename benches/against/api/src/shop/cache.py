"""What is worth remembering for a minute."""

import orjson
from redis import Redis

from shop.settings import settings

MINUTE = 60


def remember(key: str, value: object) -> None:
    """Keeps a value for a minute."""
    Redis.from_url(settings.cache).set(key, orjson.dumps(value), ex=MINUTE)
