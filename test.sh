#!/usr/bin/env bash
# The whole test suite, in release mode so that it shares its build with the demo.
# Arguments go to the test runner: ./test.sh resume     runs the tests with that word in their names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --release --workspace --locked "$@"
else
    # Doc tests come below, whatever the arguments.
    cargo test --release --workspace --locked --tests "$@"
fi
cargo test --release --doc --workspace --locked
