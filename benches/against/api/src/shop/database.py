"""One engine for the whole program, one session for a request."""

from collections.abc import Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from shop.settings import settings

engine = create_engine(settings.database)
sessions = sessionmaker(engine)


class Base(DeclarativeBase):
    """What all tables share."""


def session() -> Iterator[Session]:
    """Opens a session for a request and closes it afterwards."""
    with sessions() as opened:
        yield opened
