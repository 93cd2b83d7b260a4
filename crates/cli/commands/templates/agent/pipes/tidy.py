"""A pipe may change what happens: what it returns goes on."""


def tidy(payload):
    payload.input = payload.input.strip()
    return payload
