#!/bin/sh
# Measures how much the tests of one crate notice: changes its code in many places, one at a time, and runs its tests on each.
#
#   sh tests/mutants.sh CRATE [COUNT]      CRATE as in crates/: wheel; COUNT changes (60), the same ones each time
#
# Prints the changes that no test noticed, and "caught N of M viable". A change that does not compile is not viable.
set -eu
cd "$(dirname "$0")/.."
crate=${1:?usage: sh tests/mutants.sh CRATE [COUNT]}
count=${2:-60}
version=27.1.0
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$PWD/$target ;; esac
tools=$target/mutants
export PATH="$tools/bin:$PATH"
cargo mutants --version 2>/dev/null | grep -qF "$version" ||
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root "$tools" "cargo-mutants@$version"

# The changes are made in a copy, which is kept: what the crate depends on is compiled once.
tree=$tools/tree
mkdir -p "$tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name target -exec rm -rf {} +
git ls-files -z | tar --create --null --files-from - | tar --extract --directory "$tree"
cd "$tree"
unset CARGO_TARGET_DIR

case $crate in cli) package=wainwright ;; *) package=wainwright-$crate ;; esac
found=$(cargo mutants --list --package "$package" | wc -l)
# Every n-th of all, so that a sample is spread over the whole crate.
every=$(((found + count - 1) / count))
echo "$package: one of every $every of $found changes"
mkdir -p "$tools/$crate"
# 2: some were not noticed, 3: some made a test hang, which is noticed too. A loaded machine gets its time.
status=0
cargo mutants --package "$package" --shard "0/$every" --sharding round-robin --in-place --no-shuffle \
    --minimum-test-timeout 300 --build-timeout 1200 --output "$tools/$crate" || status=$?
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
python3 - "$tools/$crate/mutants.out" <<'END'
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
counts = json.loads((folder / "outcomes.json").read_text())
caught = counts["caught"] + counts["timeout"]
viable = caught + counts["missed"]
print((folder / "missed.txt").read_text(), end="")
print(f"caught {caught} of {viable} viable ({100 * caught / max(viable, 1):.0f} %), {counts['unviable']} not viable")
END
