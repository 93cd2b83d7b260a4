"""A small shop: what it sells, who orders it."""

GREETING = "Welcome to the shop, visit 0"
