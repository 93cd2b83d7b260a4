"""The catalogue."""

from fastapi import APIRouter, Depends
from sqlalchemy import select
from sqlalchemy.orm import Session

from shop import models, schemas
from shop.database import session

router = APIRouter(prefix="/products")


@router.get("/")
def all_products(opened: Session = Depends(session)) -> list[schemas.Product]:
    """Lists everything."""
    found = opened.scalars(select(models.Product))
    return [schemas.Product(name=product.name, price=product.price) for product in found]


@router.post("/")
def add_product(product: schemas.Product, opened: Session = Depends(session)) -> int:
    """Adds a product and answers with its number."""
    row = models.Product(**product.model_dump())
    opened.add(row)
    opened.commit()
    return row.id
