"""What was promised, held against what was measured."""

from dataclasses import dataclass, field

from measure import Cost, median
from report import cell, megabytes

#: What a layer may cost, as multiples of what nobody can leave out.
FLOOR = 1.6
#: Against the same files packed by tar and gzip -6, once uv has unpacked them.
GZIP = 10.0
#: Against other builders: the set, the situation, the other, and how many times faster.
PEERS = [
    ("api", "cold", "buildkit", 10.0),
    ("api", "cold", "buildkit-and-push", 10.0),
    ("api", "cold", "hand-made-gzip", 2.5),
    ("api", "cold", "hand-made-igzip", 2.5),
    ("api", "unchanged", "buildkit", 8.0),
    ("api", "line", "buildkit", 5.0),
]
WORDS = {"cold": "cold", "unchanged": "nothing changed", "line": "one line changed"}
#: Seconds of a build in which nothing changed.
UNCHANGED = {"sixty": 0.060, "made": 0.150}
START = 0.010
MEMORY = 200 * 10**6
MEMORY_OF_LARGE = 150 * 10**6
#: What a file may cost among the most, as a multiple of what it costs among the fewest.
GROWTH = 1.25


MISSED = "**missed**"


@dataclass
class Measured:
    """The numbers of a run; what was left out is empty."""

    peers: dict = field(default_factory=dict)
    floors: dict = field(default_factory=dict)
    layers: dict = field(default_factory=dict)
    starts: dict = field(default_factory=dict)
    large: Cost | None = None
    growth: list = field(default_factory=list)
    instructions: str = ""


def targets_table(measured: Measured) -> str:
    """Every target that was measured; nothing where there was none."""
    rows = [*of_layers(measured), *of_peers(measured), *of_sizes(measured)]
    lines = ["| | measured | target | |", "|---|---|---|---|"] if rows else []
    for words, found, goal, is_met in rows:
        lines.append(f"| {words} | {found} | {goal} | {'met' if is_met else MISSED} |")
    return "\n".join(lines)


def of_layers(measured: Measured) -> list[tuple]:
    if not measured.layers:
        return []
    *_, by_clock, at_best, by_cpu = measured.floors["ours, into a store"]
    found = f"{by_clock:.2f} x, best rounds {at_best:.2f} x, {by_cpu:.2f} x by CPU time"
    rows = [("layers of `science`, the floor", found, f"{FLOOR:g} x", at_best <= FLOOR)]
    ours, other = (median(measured.layers[name]["costs"]) for name in ("wain", "uv, tar, gzip -6"))
    clock, cpu = other.seconds / ours.seconds, other.cpu / ours.cpu
    found = f"{clock:.1f} x faster, {cpu:.1f} x by CPU time"
    return [*rows, ("layers of `science`; uv, tar and gzip -6", found, f"{GZIP:g} x", clock >= GZIP)]


def of_peers(measured: Measured) -> list[tuple]:
    rows = []
    for name, situation, other, target in PEERS:
        results = measured.peers.get(name, {})
        if results.get("wain") and results.get(other):
            ours, theirs = median(results["wain"][situation]), median(results[other][situation])
            clock, cpu = theirs.seconds / ours.seconds, theirs.cpu / ours.cpu
            found = f"{clock:.1f} x faster, {cpu:.1f} x by CPU time"
            rows.append((f"`{name}`, {WORDS[situation]}; {other}", found, f"{target:g} x", clock >= target))
    for name, target in UNCHANGED.items():
        results = measured.peers.get(name, {})
        if results.get("wain"):
            costs = results["wain"]["unchanged"]
            ours = median(costs).seconds
            found = f"{told(ours)}, best {told(min(cost.seconds for cost in costs))}"
            found += f", CPU {told(median(costs).cpu)}"
            if results.get("buildkit"):
                found += f"; buildkit {told(median(results['buildkit']['unchanged']).seconds)}"
            rows.append((f"`{name}`, nothing changed", found, told(target), ours < target))
    memory = max((cost.memory for results in measured.peers.values() for cost in all_of(results)), default=0)
    if memory:
        rows.append(("peak memory of all these", megabytes(memory), megabytes(MEMORY), memory < MEMORY))
    return rows


def told(seconds: float) -> str:
    return f"{seconds * 1000:.{0 if seconds >= 0.0995 else 1}f} ms"


def all_of(results: dict) -> list[Cost]:
    """Everything wain did into a layout."""
    ours = [results.get(name, {}) for name in ("wain", "wain-wheels-in-store")]
    return [cost for result in ours for situation in WORDS for cost in result.get(situation, [])]


def of_sizes(measured: Measured) -> list[tuple]:
    rows = []
    for words, cost in measured.starts.items():
        rows.append((f"`{words}`", told(cost.seconds), told(START), cost.seconds < START))
    if measured.large:
        found = f"{megabytes(measured.large.memory)}, {cell([measured.large])} s"
        is_met = measured.large.memory < MEMORY_OF_LARGE
        rows.append(("a wheel of 2 GB, peak memory", found, megabytes(MEMORY_OF_LARGE), is_met))
    for index, where in ((1, "the project"), (3, "a wheel")) if measured.growth else ():
        first, last = ((row[0], row[index]) for row in (measured.growth[0], measured.growth[-1]))
        growth = (last[1].cpu / last[0]) / (first[1].cpu / first[0])
        found = f"{growth:.2f} x the CPU time per file with {first[0]:,} files; {megabytes(last[1].memory)}"
        rows.append((f"{last[0]:,} files in {where}", found, f"{GROWTH:g} x", growth < GROWTH))
    if measured.instructions:
        is_met = "nothing grew" in measured.instructions
        rows.append(("instructions", measured.instructions.splitlines()[-1], "at most 5 % more", is_met))
    return rows
