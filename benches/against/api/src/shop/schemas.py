"""What travels over the wire."""

from pydantic import BaseModel, PositiveInt


class Product(BaseModel):
    """Something that can be ordered."""

    name: str
    price: PositiveInt


class Order(BaseModel):
    """A number of pieces of one product."""

    product_id: int
    pieces: PositiveInt
