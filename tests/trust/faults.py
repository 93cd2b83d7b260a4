"""The table of faults: what goes wrong around a build costs time or gives one clear error, never a wrong image.

    python3 tests/trust/faults.py [--short] [--kills N] [PART ...]

Parts: kill, signals, together, disk, calls, limits, surroundings, tree. All of them without a name. `--short` has fewer moments to
kill at, and nothing that takes minutes. Full disks need root, or user namespaces.
"""

import argparse

import faults_disk
import faults_kill
import faults_surroundings
import faults_tree
from common import Table, wain, workshop
from shop import Shop


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--short", action="store_true")
    options.add_argument("--kills", type=int, help="builds killed in each of nine situations")
    options.add_argument("parts", nargs="*")
    given = options.parse_args()
    kills = given.kills or (4 if given.short else 24)
    parts = {
        "kill": lambda table, shop, expected: faults_kill.killed(table, shop, expected, kills),
        "signals": faults_kill.signals,
        "together": faults_kill.together,
        "disk": lambda table, shop, expected: faults_disk.all_rows(table, shop, expected, given.short),
        "calls": faults_disk.failing_calls,
        "surroundings": faults_surroundings.all_rows,
        "tree": lambda table, shop, expected: faults_tree.all_rows(table, shop, expected, given.short),
        "limits": lambda table, shop, expected: faults_disk.limits(table, shop, expected, given.short),
    }
    unknown = set(given.parts) - set(parts)
    if unknown:
        options.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    table = Table(("fault", 18), ("where", 44), ("found", 40))
    program = wain()
    for part in given.parts or parts:
        with workshop() as folder:
            shop = Shop(folder / "shop", program)
            expected = shop.build("--output", f"layout:{folder}/first").digest
            parts[part](table, shop, expected)
    table.finish()


if __name__ == "__main__":
    main()
