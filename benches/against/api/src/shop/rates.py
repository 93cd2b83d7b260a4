"""Exchange rates, asked from a neighbour."""

import httpx


async def rate(currency: str) -> float:
    """How much of a currency one euro is."""
    async with httpx.AsyncClient(base_url="http://rates:8000") as client:
        answer = await client.get(f"/{currency}")
        return float(answer.text)
