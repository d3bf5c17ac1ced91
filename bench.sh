#!/usr/bin/env bash
# Measures what scfw costs: medians of interleaved runs against the bare command, with the feeds served on loopback.
# ./bench.sh [--runs N] [--feeds DIR], where DIR holds osv/ and datadog/ in the layout of the public exports.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cargo build --release --locked --package scfw-hook --package scfw-front --package scfw-world --bins --examples \
  --features scfw-front/freestanding
cargo build --profile shim --locked --package scfw-shim
exec python3 tests/bench.py --binaries target/release --library target/shim/libscfw_shim.so "$@"
