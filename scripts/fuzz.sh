#!/usr/bin/env bash
# Runs every fuzz target for the given seconds: scripts/fuzz.sh SECONDS [TARGET...]
#
# libFuzzer guides the inputs by coverage; its instrumentation works with stable Rust. What it finds interesting is kept
# in fuzz/target/corpus and grows from run to run; fuzz/seeds holds the committed beginnings. An input that panics, hangs
# or takes too much memory is written to fuzz/artifacts and fails the run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
if [[ $# -eq 0 ]]; then
    set -- fuzz/targets/*.rs
    set -- "${@##*/}"
    set -- "${@%.rs}"
fi

host=$(rustc -vV | sed -n 's/^host: //p')
# Naming the target keeps the instrumentation out of build scripts and procedural macros.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --manifest-path fuzz/Cargo.toml --release --locked --target "$host"

run_target() {
    local seconds=$1 host=$2 target=$3
    local corpus=fuzz/target/corpus/$target artifacts=fuzz/artifacts/$target seeds=fuzz/seeds/$target
    local log=fuzz/target/corpus/$target.log
    mkdir -p "$corpus" "$artifacts"
    local folders=("$corpus")
    # libFuzzer sees only memory that was written to; what is merely reserved by a wrong length fails here.
    ulimit -v 2097152
    [[ ! -d $seeds ]] || folders+=("$seeds")
    if ! "fuzz/target/$host/release/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
        -max_len=16384 -print_final_stats=1 -artifact_prefix="$artifacts/" "${folders[@]}" >"$log" 2>&1; then
        tail -n 30 "$log"
        printf 'fuzz: %s FAILED; the input is in %s; run it again: fuzz/target/%s/release/%s FILE\n' \
            "$target" "$artifacts" "$host" "$target"
        return 1
    fi
    printf 'fuzz: %s: %s inputs in %s s, none failed\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$seconds"
}
export -f run_target

mkdir -p fuzz/target/corpus
printf '%s\n' "$@" | xargs -P "$(nproc)" -I {} bash -c 'run_target "$@"' _ "$seconds" "$host" {}
printf 'fuzz: %s targets, none failed\n' "$#"
