"""What the environment says about serving: ports, limits and times. Everything else stands in component.json."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional

from .errors import StartError


@dataclass(frozen=True)
class Settings:
    """Times are in seconds, sizes in bytes."""

    port: int
    host: str
    component_file: str
    max_body: int
    max_requests: int
    max_connections: int
    header_time: float
    body_time: float
    idle_time: float
    grace: float
    request_time: float
    model_time: float
    tool_time: float
    redis_url: Optional[str]
    bus_prefix: str
    peers: Optional[str]
    log_level: str
    log_json: bool

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """Reads the environment; a number that is none is a `StartError`."""

        def number(name: str, default: float, least: float, most: float) -> float:
            text = environment.get(name, "").strip()
            try:
                value = float(text) if text else default
            except ValueError:
                raise StartError(f"{name} is `{text}`, which is not a number") from None
            if not least <= value <= most:
                raise StartError(f"{name} is {text}; it must be from {least:g} to {most:g}")
            return value

        return cls(
            port=int(number("WOODWORK_PORT", 8080, 0, 65535)),
            host=environment.get("WOODWORK_HOST", ""),
            component_file=environment.get("COMPONENT_FILE") or "/app/component.json",
            max_body=int(number("WOODWORK_MAX_BODY", 16 << 20, 1, 1 << 30)),
            max_requests=int(number("WOODWORK_MAX_REQUESTS", 64, 1, 4096)),
            max_connections=int(number("WOODWORK_MAX_CONNECTIONS", 256, 1, 16384)),
            header_time=number("WOODWORK_HEADER_TIMEOUT", 10, 0.1, 3600),
            body_time=number("WOODWORK_BODY_TIMEOUT", 30, 0.1, 3600),
            idle_time=number("WOODWORK_IDLE_TIMEOUT", 60, 0.1, 3600),
            grace=number("WOODWORK_GRACE", 10, 0, 3600),
            request_time=number("WOODWORK_REQUEST_TIMEOUT", 300, 0.1, 86400),
            model_time=number("WOODWORK_MODEL_TIMEOUT", 120, 0.1, 86400),
            tool_time=number("WOODWORK_TOOL_TIMEOUT", 60, 0.1, 86400),
            redis_url=environment.get("REDIS_URL") or None,
            bus_prefix=environment.get("WOODWORK_STREAM_PREFIX") or "woodwork",
            peers=environment.get("WOODWORK_PEERS") or None,
            log_level=environment.get("WOODWORK_LOG") or "info",
            log_json=environment.get("WOODWORK_LOG_FORMAT", "").lower() == "json",
        )
