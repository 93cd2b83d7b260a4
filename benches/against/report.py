"""Tables in Markdown, and how far the targets are."""

from measure import Cost, median
from prepare import DataSet

#: A target: words, the data set, the situation, ours, the other, and how many times faster.
TARGETS = [
    ("cold, BuildKit and uv", "api", "cold", "wain", "buildkit", 10.0),
    ("cold, BuildKit and uv, pushed", "api", "cold", "wain", "buildkit-and-push", 10.0),
    ("cold, hand-made, gzip -6", "api", "cold", "wain", "hand-made-gzip", 2.5),
    ("cold, hand-made, igzip", "api", "cold", "wain", "hand-made-igzip", 2.5),
    ("nothing changed, BuildKit", "api", "unchanged", "wain", "buildkit", 8.0),
    ("one line changed, BuildKit", "api", "line", "wain", "buildkit", 5.0),
]
LAYERS_TARGET = ("science", "wain", "tar, gzip -6", 8.0)
MEMORY_TARGET = 200 * 10**6
SITUATIONS = ["cold", "cold, cache mount kept", "unchanged", "line"]


def table(data: DataSet, results: dict, load: float) -> str:
    wheels = list(data.wheels.iterdir())
    size = sum(wheel.stat().st_size for wheel in wheels)
    lines = [
        f"\n### {data.name}: {len(wheels)} wheels, {megabytes(size)} (load average {load:.1f})\n",
        "Seconds on the clock (seconds of processors); medians.\n",
        "| builder | cold | nothing changed | one line changed | peak memory | layers | digests of cold builds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        cells = [cell(result[situation]) for situation in ("cold", "unchanged", "line")]
        memory = max(median(result[situation]).memory for situation in ("cold", "unchanged", "line"))
        digests = f"{result['digests']} of {len(result['cold'])}"
        size = megabytes(result["size"])
        lines.append(f"| {name} | {' | '.join(cells)} | {megabytes(memory)} | {size} | {digests} |")
        if "cold, cache mount kept" in result:
            kept = cell(result["cold, cache mount kept"])
            lines.append(f"| {name}, uv's cache mount kept | {kept} | | | | | |")
    return "\n".join(lines)


def cell(costs: list[Cost]) -> str:
    middle = median(costs)
    digits = 3 if middle.seconds < 0.1 else 2
    return f"{middle.seconds:.{digits}f} ({middle.cpu:.{digits}f})"


def layers_table(name: str, rows: dict) -> str:
    lines = [
        f"\n### Layers of {name}\n",
        "| | seconds | of which making layers | seconds of processors | peak memory | size |",
        "|---|---|---|---|---|---|",
    ]
    for row, values in rows.items():
        middle = median(values["costs"])
        making = f"{sorted(values['making'])[len(values['making']) // 2]:.2f}" if values["making"] else ""
        memory = megabytes(middle.memory)
        size = megabytes(values["size"])
        lines.append(f"| {row} | {middle.seconds:.2f} | {making} | {middle.cpu:.2f} | {memory} | {size} |")
    return "\n".join(lines)


def print_targets(results: dict) -> None:
    """Prints every target that was measured, as a ratio."""
    for name, result in results.items():
        print(layers_table(name, result["layers"]))
    print("\n### Targets\n\n| | on the clock | target | | by seconds of processors |\n|---|---|---|---|---|")
    for words, name, situation, ours, other, target in TARGETS:
        result = results.get(name, {})
        if ours in result and other in result:
            print(target_row(words, result[ours][situation], result[other][situation], target))
    name, ours, other, target = LAYERS_TARGET
    if name in results:
        rows = results[name]["layers"]
        print(target_row(f"layers of {name}, {other}", rows[ours]["costs"], rows[other]["costs"], target))
    memories = [
        cost.memory
        for result in results.values()
        for builder in ("wain", "wain-wheels-in-store")
        for situation in SITUATIONS
        for cost in result.get(builder, {}).get(situation, [])
    ]
    if memories:
        is_met = max(memories) < MEMORY_TARGET
        print(f"| peak memory | {megabytes(max(memories))} | {megabytes(MEMORY_TARGET)} | {verdict(is_met)} | |")


def target_row(words: str, ours: list[Cost], others: list[Cost], target: float) -> str:
    ours, other = median(ours), median(others)
    clock, cpu = other.seconds / ours.seconds, other.cpu / ours.cpu
    return f"| {words} | {clock:.1f} x faster | {target:g} x | {verdict(clock >= target)} | {cpu:.1f} x |"


def verdict(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def megabytes(size: float) -> str:
    return f"{size / 10**6:.0f} MB" if size >= 10**7 else f"{size / 10**6:.1f} MB"
