"""Counts what happens and tells it in Prometheus' text format.

The number of series is bounded: labels that others choose share one value, `other`, once there are many.
"""

from __future__ import annotations

import threading
from typing import Callable, Dict, List, Mapping, Tuple

MAX_SERIES = 200
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP = {
    "woodwork_http_requests_total": "Requests answered, by route and status.",
    "woodwork_http_request_seconds": "Time from a request's head to its answer, by route.",
    "woodwork_http_in_flight": "Requests being worked on.",
    "woodwork_connections": "Open connections.",
    "woodwork_events_total": "Events emitted, by name.",
    "woodwork_errors_total": "What went wrong, by where: hook, pipe, hook_dropped, route, tool, peer, vendor, internal.",
    "woodwork_stream_chunks_total": "Chunks written to streams.",
    "woodwork_streams_open": "Streams that have not ended.",
    "woodwork_peer_requests_total": "Requests to other components, by peer and outcome.",
    "woodwork_vendor_requests_total": "Requests to vendors' models, by vendor and outcome.",
    "woodwork_bus_messages_total": "Messages of the Redis bus, by what became of them: published, dropped, failed, received.",
    "woodwork_component_info": "Always 1; its labels say what runs here.",
}

Labels = Tuple[Tuple[str, str], ...]


class Metrics:
    """All series of the process; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: Dict[str, Dict[Labels, float]] = {}
        self._times: Dict[str, Dict[Labels, List[float]]] = {}
        self._gauges: Dict[str, Callable[[], float]] = {}

    def count(self, name: str, by: float = 1, /, **labels: str) -> None:
        """Adds to a counter."""
        with self._lock:
            series = self._counters.setdefault(name, {})
            key = _key(series, labels)
            series[key] = series.get(key, 0) + by

    def time(self, name: str, seconds: float, /, **labels: str) -> None:
        """Adds a duration to a histogram."""
        with self._lock:
            series = self._times.setdefault(name, {})
            # One cell for each bucket, one for what is slower, one for the sum.
            cells = series.setdefault(_key(series, labels), [0.0] * (len(BUCKETS) + 2))
            slot = next((index for index, bucket in enumerate(BUCKETS) if seconds <= bucket), len(BUCKETS))
            cells[slot] += 1
            cells[-1] += seconds

    def gauge(self, name: str, value: Callable[[], float]) -> None:
        """Has a value asked for whenever it is told."""
        self._gauges[name] = value

    def text(self) -> str:
        """Everything, in Prometheus' text format."""
        lines: List[str] = []
        with self._lock:
            for name, series in sorted(self._counters.items()):
                lines += _head(name, "gauge" if name.endswith("_info") else "counter")
                lines += [f"{name}{_labels(key)} {value:g}" for key, value in sorted(series.items())]
            for name, histograms in sorted(self._times.items()):
                lines += _head(name, "histogram")
                for key, cells in sorted(histograms.items()):
                    lines += _histogram(name, key, cells)
        for name, value in sorted(self._gauges.items()):
            lines += _head(name, "gauge") + [f"{name} {value():g}"]
        return "\n".join(lines) + "\n"


def _key(series: Mapping[Labels, object], labels: Dict[str, str]) -> Labels:
    key = tuple(sorted(labels.items()))
    if key in series or len(series) < MAX_SERIES:
        return key
    return tuple((name, "other") for name in sorted(labels))


def _head(name: str, kind: str) -> List[str]:
    return [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} {kind}"]


def _histogram(name: str, key: Labels, cells: List[float]) -> List[str]:
    lines = []
    below = 0.0
    for bucket, cell in zip([f"{bucket:g}" for bucket in BUCKETS] + ["+Inf"], cells):
        below += cell
        lines.append(f"{name}_bucket{_labels(key + (('le', bucket),))} {below:g}")
    return lines + [f"{name}_sum{_labels(key)} {cells[-1]:.6f}", f"{name}_count{_labels(key)} {below:g}"]


def _labels(key: Labels) -> str:
    escaped = (f'{name}="{_escape(value)}"' for name, value in key)
    return "{" + ",".join(escaped) + "}" if key else ""


def _escape(value: str) -> str:
    text = value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return text.encode("utf-8", "replace").decode("utf-8")
