"""Orders."""

from fastapi import APIRouter, Depends, HTTPException
from sqlalchemy.orm import Session

from shop import models, schemas
from shop.database import session

router = APIRouter(prefix="/orders")


@router.post("/")
def add_order(order: schemas.Order, opened: Session = Depends(session)) -> int:
    """Takes an order and answers with its number."""
    if opened.get(models.Product, order.product_id) is None:
        raise HTTPException(404, "no such product")
    row = models.Order(**order.model_dump())
    opened.add(row)
    opened.commit()
    return row.id
