# Names for the commands of daily work: `just` lists them. The commands are those of .ci/run.

[private]
default:
    @just --list --unsorted

# Format all code
fmt:
    cargo fmt --all

# Check format and clippy, warnings are errors
lint:
    cargo fmt --all --check
    cargo clippy --release --workspace --all-targets --locked -- -D warnings

# Run the test suite, or the tests with a word in their names: just test resume
test *ARGS:
    ./test.sh {{ ARGS }}

# Build the documentation, warnings are errors
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --workspace --locked

# Search the kernels for undefined behaviour (nightly with miri and rust-src; minutes)
miri:
    MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows -Zmiri-permissive-provenance" \
        RAYON_NUM_THREADS=2 \
        cargo +nightly miri test -p mammo-kernels --lib --target-dir target/miri -- --test-threads=1

# Test the kernels under AddressSanitizer (nightly, x86-64 Linux)
asan:
    RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/asan \
        cargo +nightly test --release -p mammo-kernels --lib --target x86_64-unknown-linux-gnu

# Fuzz the parsers (nightly, cargo-fuzz): just fuzz [SECONDS] [TARGET...]
fuzz *ARGS:
    fuzz/run.sh {{ ARGS }}

# Time prediction and training beside PyTorch and ONNX Runtime: just bench [ROUNDS]
bench *ARGS:
    bench/compare.sh {{ ARGS }}

# Time convolution, decoding and the bootstrap: just microbench [FILTER]
microbench *ARGS:
    cargo bench -p mammo-kernels -p mammo-dicom -p mammo-eval -- {{ ARGS }}

# Run the whole method on phantoms, in minutes: just demo [OPTIONS]
demo *ARGS:
    cargo run --release -- demo {{ ARGS }}

# Check dependencies (cargo-deny); without network: just deny licenses bans sources
deny *CHECKS:
    cargo deny --locked check --hide-inclusion-graph {{ CHECKS }}

# Check the spelling of code and documents
typos:
    typos

# Run every check that a commit must pass
ci:
    .ci/run
