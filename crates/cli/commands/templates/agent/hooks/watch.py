"""A hook sees what happens, and changes nothing."""


def watch(payload):
    print(f"a message of {len(payload.input)} letters came in", flush=True)
