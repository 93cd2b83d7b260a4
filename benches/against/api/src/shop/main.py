"""The program."""

import uvicorn
from fastapi import FastAPI

from shop import GREETING, orders, products
from shop.database import Base, engine
from shop.settings import settings

app = FastAPI(title="shop")
app.include_router(products.router)
app.include_router(orders.router)


@app.get("/")
def greet() -> str:
    """Says that the program runs."""
    return GREETING


def main() -> None:
    """Serves until told to stop."""
    Base.metadata.create_all(engine)
    uvicorn.run(app, host=settings.host, port=settings.port)
