"""A FastAPI application: JSON with a parameter, a lifespan, and a request with a body."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from pydantic import BaseModel

PRICES: dict[int, float] = {}


class Order(BaseModel):
    """What is ordered."""

    item: int
    count: int


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    PRICES.update({number: number * 1.5 for number in range(100)})
    yield


app = FastAPI(lifespan=_lifespan)


@app.get("/items/{number}")
async def item(number: int) -> dict[str, float]:
    """Answer with a price; without a lifespan from a price list made on the spot."""
    return {"number": number, "price": PRICES.get(number, number * 1.5)}


@app.post("/orders", status_code=201)
async def order(order: Order) -> dict[str, float]:
    """Answer with a sum."""
    return {"total": PRICES.get(order.item, order.item * 1.5) * order.count}
