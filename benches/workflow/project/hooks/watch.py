"""Says what happens."""


def seen(payload):
    print(f"seen: {type(payload).__name__}", flush=True)
