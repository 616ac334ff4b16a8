#!/usr/bin/env bash
# Makes the release archive target/dist/leadstream-VERSION-HOST.tar.gz and its .sha256: the program, completions and
# manual pages, licence and third parties' licences, SBOM, example configuration and schema, what ops/ has.
#
# The same commit gives the same bytes with the same compiler and C library, wherever it lies: paths are mapped away,
# the archive is sorted and carries the commit's date.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly most_bytes=25000000
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
host=$(rustc -vV | sed -n 's/^host: //p')
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || echo 0)
export SOURCE_DATE_EPOCH
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)

# Any system with this glibc or a newer one runs it. A backtrace has functions' names no more; an error names its page
# all the same.
export RUSTFLAGS="--remap-path-prefix=$PWD=/leadstream --remap-path-prefix=$cargo_home=/cargo \
--remap-path-prefix=$sysroot=/rust"
export CFLAGS="-ffile-prefix-map=$PWD=/leadstream -ffile-prefix-map=$cargo_home=/cargo"
export CARGO_TARGET_DIR=$PWD/target/dist/build
cargo build --profile shipped --locked --package leadstream --bin leadstream

name=leadstream-$version-$host
folder=target/dist/$name
rm -rf "$folder"
mkdir -p "$folder"/{bin,completions,config,ops}
cp "$CARGO_TARGET_DIR/shipped/leadstream" "$folder/bin/"
bytes=$(stat -c %s "$folder/bin/leadstream")
if ((bytes > most_bytes)); then
    printf 'dist: the program has %s bytes; %s are allowed\n' "$bytes" "$most_bytes" >&2
    exit 1
fi
if ldd "$folder/bin/leadstream" | grep -E 'libssl|libcrypto' >&2; then
    printf 'dist: the program still needs OpenSSL beside it\n' >&2
    exit 1
fi
for shell in bash elvish fish powershell zsh; do
    "$folder/bin/leadstream" completions "$shell" >"$folder/completions/leadstream.$shell"
done
"$folder/bin/leadstream" manual --to "$folder/man/man1"
cp README.md CHANGELOG.md LICENSE "$folder/"
cp config/leadstream.toml config/leadstream.schema.json "$folder/config/"
cp -r docs "$folder/"
cp -r ops/systemd ops/prometheus ops/grafana "$folder/ops/"
env -u RUSTFLAGS -u CARGO_TARGET_DIR scripts/inventory.py "$folder"

tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode=u=rwX,go=rX --directory target/dist "$name" | gzip --no-name --best >"target/dist/$name.tar.gz"
(cd target/dist && sha256sum "$name.tar.gz" >"$name.tar.gz.sha256")
printf 'dist: target/dist/%s.tar.gz, %s bytes; the program %s bytes\n' \
    "$name" "$(stat -c %s "target/dist/$name.tar.gz")" "$bytes"
cat "target/dist/$name.tar.gz.sha256"
