#!/bin/sh
# Lets libFuzzer look for inputs that break a promise: `sh tests/fuzz/run.sh TARGET SECONDS`; `all` takes every target in turn.
#
# Works with the stable compiler. Inputs worth keeping stay in target/fuzz/corpus/TARGET, what broke something in
# target/fuzz/broken/TARGET; `sh tests/fuzz/run.sh TARGET 0 FILE` tries such a file again.
set -eu
cd "$(dirname "$0")"
target=${1:?"usage: run.sh TARGET|all SECONDS [FILE...]"}
seconds=${2:?"usage: run.sh TARGET|all SECONDS [FILE...]"}
shift 2

place=${CARGO_TARGET_DIR:-$PWD/../../target}/fuzz
mkdir -p "$place"
place=$(cd "$place" && pwd)
host=$(rustc -vV | sed -n 's/^host: //p')

# What cargo-fuzz asks of a nightly compiler, but for the address sanitizer: nothing here is unsafe.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing"
# The versions of everything else are those that are tested.
cp ../../Cargo.lock Cargo.lock
# The flags are for the programs alone, not for what builds them: that is why the target is named.
RUSTFLAGS=$flags CARGO_TARGET_DIR=$place cargo build --quiet --release --target "$host" --bin fuzz
CARGO_TARGET_DIR=$place/plain cargo build --quiet --bin seeds
fuzz=$place/$host/release/fuzz

# Inputs become files for a moment; in memory that costs least.
if [ -w /dev/shm ]; then TMPDIR=$(mktemp -d /dev/shm/wain-fuzz.XXXXXX); else TMPDIR=$(mktemp -d); fi
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT INT TERM

one() {
    corpus=$place/corpus/$1
    broken=$place/broken/$1
    mkdir -p "$corpus" "$broken"
    "$place/plain/debug/seeds" "$1" "$corpus"
    if [ "$1" = zip ]; then
        python3 ../trust/wheels.py --write "$TMPDIR/wheels" --name greet
        find "$TMPDIR/wheels" -name '*.whl' -size -64k -exec cp {} "$corpus" \;
        rm -r "$TMPDIR/wheels"
    fi
    echo "== $1"
    seconds=$2
    shift 2
    # 1 GiB of memory and 20 seconds for one input are more than any may take.
    FUZZ_TARGET=$(basename "$corpus") "$fuzz" -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=512 -timeout=20 \
        -max_len=65536 -print_final_stats=1 -verbosity=1 -artifact_prefix="$broken/" "${@:-$corpus}"
}

case $target in
all) "$place/plain/debug/seeds" | while read -r name; do one "$name" "$seconds" || exit 1; done ;;
*) one "$target" "$seconds" "$@" ;;
esac
