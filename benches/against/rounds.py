"""Builders that are measured in rounds, each in the same situations: what is asked for, whose turn it is, the table of seconds."""

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from measure import Cost, median


def read_arguments(description: str, builders: Iterable[str], kept: str) -> argparse.Namespace:
    """`rounds`, `only` (all builders, where nobody chooses) and `work`, a folder for what is `kept` for the next time."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=sorted(builders), default=list(builders))
    folder = Path(tempfile.gettempdir()) / "wain-bench"
    parser.add_argument("--work", type=Path, default=folder, help=f"where {kept} are kept for the next time")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error("--rounds wants 1 or more")
    return arguments


def turns(builders: list, rounds: int) -> Iterator[tuple[int, object]]:
    """Every builder in every round, with the number of the round.

    Every second round the other way round, so that a busy moment does not always hit the same.
    """
    for number in range(rounds):
        for builder in builders if number % 2 == 0 else reversed(builders):
            yield number, builder


def seconds_table(what: str, found: dict[str, dict[str, list[Cost]]]) -> list[str]:
    """Lines in Markdown: of every builder what each situation cost, and how many times what the first one's did."""
    first = next(iter(found.values()))
    lines = ["", "Wall-clock seconds (CPU seconds), and wall-clock time as a multiple of the first row; medians.", ""]
    head = f"| {what} |" if what else "| |"
    lines += [f"{head} {' | '.join(first)} |", "|---" * (len(first) + 1) + "|"]
    for name, costs in found.items():
        cells = []
        for situation, theirs in costs.items():
            cost, ours = median(theirs), median(first[situation])
            ratio = "" if costs is first else f", {cost.seconds / ours.seconds:.1f} x"
            cells.append(f"{cost.seconds:.2f} ({cost.cpu:.2f}){ratio}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines
