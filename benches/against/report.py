"""Tables in Markdown."""

from measure import Cost, median
from prepare import DataSet

SITUATIONS = ["cold", "unchanged", "line"]


def peers_table(data: DataSet, results: dict, load: float) -> str:
    """Every builder of one set: seconds, in brackets those of processors, and how many times those of wain."""
    wheels = list(data.wheels.iterdir())
    size = sum(wheel.stat().st_size for wheel in wheels)
    lines = [
        f"\n### {data.name}: {len(wheels)} wheels, {megabytes(size)}\n",
        f"Wall-clock seconds (CPU seconds), and wall-clock time as a multiple of wain's; medians; load average {load:.1f}.\n",
        "| builder | cold | nothing changed | one line changed | peak memory | layers | distinct digests of cold builds |",
        "|---|---|---|---|---|---|---|",
    ]
    ours = results.get("wain", {})
    for name, result in results.items():
        if not result:
            lines.append(f"| {name} | missing: not installed on this machine | | | | | |")
            continue
        cells = [beside(result[situation], ours.get(situation)) for situation in SITUATIONS]
        memory = max(median(result[situation]).memory for situation in SITUATIONS)
        digests = f"{result['digests']} of {len(result['cold'])}"
        lines.append(f"| {name} | {' | '.join(cells)} | {megabytes(memory)} | {megabytes(result['size'])} | {digests} |")
        if kept := result.get("cold, cache mount kept"):
            lines.append(f"| {name}, uv's cache mount kept | {beside(kept, ours.get('cold'))} | | | | | |")
    return "\n".join(lines)


def beside(costs: list[Cost], ours: list[Cost] | None) -> str:
    if ours is None or ours is costs:
        return cell(costs)
    return f"{cell(costs)}, {times(ours, costs)}"


def times(ours: list[Cost], theirs: list[Cost]) -> str:
    return f"{median(theirs).seconds / median(ours).seconds:.1f} x"


def cell(costs: list[Cost]) -> str:
    middle = median(costs)
    digits = 3 if middle.seconds < 0.1 else 2
    return f"{middle.seconds:.{digits}f} ({middle.cpu:.{digits}f})"


def layers_table(name: str, rows: dict[str, dict], floors: dict[str, tuple]) -> str:
    """The floor, what wain needs above it, and what others need for the same files."""
    lines = [
        f"\n### The layers of {name}, above the floor and against others\n",
        "| | seconds | best round | CPU seconds | times the floor | best round | by CPU time | memory | size |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    floor = next(iter(floors.values()))[:3]
    for row, numbers in floors.items():
        lines.append(f"| {row} | {' | '.join(f'{number:.2f}' for number in numbers)} | | |")
    for row, values in rows.items():
        middle = median(values["costs"])
        numbers = [middle.seconds, min(cost.seconds for cost in values["costs"]), middle.cpu]
        ratios = [number / least for number, least in zip(numbers, floor, strict=True)]
        cells = " | ".join(f"{number:.2f}" for number in numbers + ratios)
        lines.append(f"| {row} | {cells} | {megabytes(middle.memory)} | {megabytes(values['size'])} |")
    return "\n".join(lines)


def sizes_tables(starts: dict[str, Cost], large: Cost, growth: list[tuple]) -> str:
    """Start-up and a large wheel; then trees and wheels of many files."""
    lines = ["\n### Start-up, a large wheel\n", "| | seconds | peak memory |", "|---|---|---|"]
    for words, cost in starts.items():
        lines.append(f"| `{words}` | {cost.seconds:.4f} ({cost.cpu:.4f}) | |")
    words = "a wheel of 2.0 GB, 6.4 GB unpacked, one file of 4.4 GB: cold"
    lines.append(f"| {words} | {cell([large])} | {megabytes(large.memory)} |")
    lines += [
        "\n### Many small files\n",
        "In the project, and in one wheel. *Each*: CPU microseconds per file of a cold build.\n",
        "| files | project: cold | each | peak memory | again | wheel: cold | each | peak memory | again |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for count, *costs in growth:
        cells = []
        for cold, again in (costs[:2], costs[2:]):
            each = cold.cpu / count * 10**6
            cells += [cell([cold]), f"{each:.1f}", megabytes(cold.memory), cell([again])]
        lines.append(f"| {count:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def profile_table(name: str, stages: dict[str, float], shares: dict[str, float]) -> str:
    """Where a cold build's seconds go, and those of processors."""
    told = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages.items())
    lines = [f"\n### Where a cold build of {name} spends its time\n", f"Wall-clock seconds: {told}. CPU samples:\n"]
    lines += ["| | share |", "|---|---|"]
    lines += [f"| {group} | {share:.0%} |" for group, share in shares.items()]
    return "\n".join(lines)


def megabytes(size: float) -> str:
    return f"{size / 10**6:.0f} MB" if size >= 10**7 else f"{size / 10**6:.1f} MB"
