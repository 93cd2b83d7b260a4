"""The table of the cache: whatever happens to its files, a build gives the same image, and says so once at most.

    python3 tests/trust/cache.py [--short] [PART ...]

Parts: damage, cleaners, folders, versions, locks, power. All of them without a name. `--short` damages one file of each kind,
and leaves out what takes long or needs strace.
"""

import argparse

import cache_damage
import cache_sharing
from common import Table, need, wain, workshop
from shop import Shop


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--short", action="store_true")
    options.add_argument("parts", nargs="*")
    given = options.parse_args()
    parts = {
        "damage": cache_damage.damage,
        "cleaners": cache_damage.cleaners,
        "folders": cache_sharing.folders,
        "versions": cache_sharing.versions,
        "locks": cache_sharing.locks,
        "power": cache_damage.power,
    }
    unknown = set(given.parts) - set(parts)
    if unknown:
        options.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(parts)}")
    if given.short:
        del parts["power"]
    else:
        need("strace", "setpriv")
    table = Table(("what happens", 34), ("to", 40), ("found", 34))
    program = wain()
    for part in given.parts or parts:
        with workshop() as folder:
            shop = Shop(folder / "shop", program, noise=100_000)
            parts[part](table, shop, given.short)
    table.finish()


if __name__ == "__main__":
    main()
