#!/usr/bin/env bash
# Runs all tests, once what they need is there: as root and with CI=true it installs what is missing, otherwise it
# names the command that does. Arguments go to the test runner: ./test.sh gates_npm
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

fail() {
  echo "test.sh: $*" >&2
  exit 1
}

# Debian's packages by the programs that they bring. Nothing but .ci/run needs shfmt.
missing=()
for need in zsh:zsh fish:fish shellcheck:shellcheck shfmt:shfmt git:git cc:gcc musl-gcc:musl-tools make:make \
  cmake:cmake strace:strace /usr/bin/python3:python3; do
  command -v "${need%%:*}" >/dev/null || missing+=("${need#*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  command -v apt-get >/dev/null || fail "install these first, by their names on Debian: ${missing[*]}"
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  if [ ${#as_root[@]} -gt 0 ] && [ "${CI:-}" != true ]; then
    fail "these are missing: ${missing[*]}
Install them with: sudo apt-get install --no-install-recommends ${missing[*]}"
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

for program in cargo python3 node npm; do
  command -v "$program" >/dev/null || fail "$program is not on PATH: the tests need Rust, Python 3 and Node.js"
done
python3 -c 'import venv, ensurepip' || fail "python3 has no venv module: install python3-venv"

# The end-to-end tests run the binaries, which cargo builds only when told to.
cargo build --workspace --locked
# The preload library is loaded as it is installed, or not at all; `scfw` finds it where an installation has it.
cargo build --profile shim --package scfw-shim --package scfw-front --features scfw-front/freestanding --locked
mkdir -p target/lib/scfw
ln -sfn ../../shim/libscfw_shim.so target/lib/scfw/libscfw_shim.so
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --locked "$@"
else
  cargo test --workspace --locked --lib --tests "$@"
fi
cargo test --workspace --locked --doc --quiet
