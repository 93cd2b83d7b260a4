"""A shop."""

PRICES = {"tea": 3.5, "cake": 4.25}


def price(article: str) -> float:
    """Says what an article costs."""
    return PRICES[article]


def order(article: str, count: int) -> str:
    """Orders an article."""
    return f"{count} x {article}: {count * price(article):.2f}"
