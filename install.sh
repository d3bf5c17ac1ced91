#!/usr/bin/env bash
# Builds scfw and installs it below ~/.local or --prefix, then shows it at work: the real pip and npm install a
# clean package and are stopped at a malicious one, from a small world that scfw serves to itself.
set -euo pipefail

prefix="${HOME:?HOME is not set; pass --prefix DIR}/.local"

usage() {
  cat <<'TEXT'
usage: ./install.sh [--prefix DIR]

Installs DIR/bin/scfw, DIR/bin/scfw-hook, DIR/lib/scfw/libscfw_shim.so and DIR/lib/scfw/gates (DIR: ~/.local unless
given).
Needs Rust 1.95 or later (cargo) and a C compiler to build, and pip and npm to show scfw at work.
TEXT
}

while [ $# -gt 0 ]; do
  case "$1" in
    --prefix)
      [ $# -ge 2 ] || {
        usage >&2
        exit 2
      }
      prefix=$2
      shift 2
      ;;
    --prefix=*)
      prefix=${1#--prefix=}
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
done

command -v cargo >/dev/null || {
  echo "install.sh: cargo is not on PATH: install Rust 1.95 or later first" >&2
  exit 1
}

cd "$(dirname "${BASH_SOURCE[0]}")"
cargo build --release --locked --package scfw-hook --package scfw-front --features scfw-front/freestanding
cargo build --profile shim --locked --package scfw-shim

# Beside its target and then renamed, so that one in use is never half written.
install_file() {
  mkdir -p "$2"
  cp "$1" "$2/.${1##*/}.new"
  chmod 755 "$2/.${1##*/}.new"
  mv -f "$2/.${1##*/}.new" "$2/${1##*/}"
}

install_file target/shim/libscfw_shim.so "$prefix/lib/scfw"
install_file target/release/scfw-hook "$prefix/bin"
install_file target/release/scfw "$prefix/bin"
# From the program itself, which uses them only where they are what is built in.
"$prefix/bin/scfw" install-gates
echo
echo "Installed scfw and scfw-hook in $prefix/bin, and the preload library and the gates in $prefix/lib/scfw."
echo "A clean and a malicious package, from an index and a registry on this machine only:"
echo
"$prefix/bin/scfw" doctor --offline
echo
case ":$PATH:" in
  *":$prefix/bin:"*) echo "Try it: scfw run npm install express" ;;
  *) echo "Add $prefix/bin to PATH, then try: scfw run npm install express" ;;
esac
