"""A pipe: may change the message; the return value is passed on."""


def tidy(payload):
    payload.input = payload.input.strip()
    return payload
