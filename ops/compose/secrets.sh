#!/usr/bin/env bash
# Makes the passwords and certificates that compose.yaml mounts. Idempotent: what is there stays.
#
#   ops/compose/secrets.sh [FOLDER]     ops/compose/secrets, unless said otherwise
#
# Containers read them as users of their own, so the files are readable by all, and the folder is shut to everybody
# but its owner. Needs openssl.
set -euo pipefail

readonly folder=${1:-$(dirname "${BASH_SOURCE[0]}")/secrets}
# Two years: nobody wants to look for the cause in two weeks, nor trust the authority for ever.
readonly days=730

command -v openssl >/dev/null || {
    printf 'secrets: openssl is missing; install it with your package manager\n' >&2
    exit 1
}

umask 077
mkdir -p "$folder"
chmod 0700 "$folder"

# Without a line end: some programs take it for a part of the password.
password() {
    if [[ ! -s $folder/$1 ]]; then
        printf '%s' "${2:-$(openssl rand -hex 24)}" >"$folder/$1"
        printf 'secrets: made %s\n' "$folder/$1"
    fi
}

password mysql-root-password
password mysql-password
password grafana-password
# What the sandbox's org knows its app by; a real org's comes from its setup.
password client-secret leadstream-demo-secret

if [[ ! -s $folder/ca.pem || ! -s $folder/tls.pem || ! -s $folder/tls.key ]]; then
    # The authority's own key is not kept: it signs once.
    authority=$(mktemp -d)
    trap 'rm -rf "$authority"' EXIT
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -sha256 -days "$days" \
        -subj '/CN=leadstream compose' -keyout "$authority/ca.key" -out "$folder/ca.pem" 2>/dev/null
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -sha256 \
        -subj '/CN=leadstream' -keyout "$folder/tls.key" -out "$authority/tls.csr" 2>/dev/null
    printf 'subjectAltName=DNS:leadstream,DNS:salesforce,DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n' \
        >"$authority/names"
    openssl x509 -req -sha256 -days "$days" -in "$authority/tls.csr" -CA "$folder/ca.pem" \
        -CAkey "$authority/ca.key" -CAcreateserial -CAserial "$authority/serial" -extfile "$authority/names" \
        -out "$folder/tls.pem" 2>/dev/null
    printf 'secrets: made %s, %s and %s\n' "$folder/ca.pem" "$folder/tls.pem" "$folder/tls.key"
fi
chmod 0444 "$folder"/*
