"""A hook: observes events and changes nothing."""


def watch(payload):
    print(f"received a message of {len(payload.input)} characters", flush=True)
