#!/usr/bin/env bash
# Brings a machine to where `make demo` and `make test` run: checks the compilers, installs what mysql_cdc links
# against, and provides a MySQL server of 8.0 or newer. Idempotent; changes nothing that is there already.
#
#   LEADSTREAM_TEST_MYSQL_URL   use this server; none is provided then
#   LEADSTREAM_MYSQL_ROOT       use this unpacked root instead of .tools/mysql-root
#   LEADSTREAM_DEBIAN_MIRROR    where the server's packages come from, instead of debootstrap's built-in mirror
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly tools=.tools
readonly mysql_root=$tools/mysql-root
readonly oldest_mysql=8

installed=()
skipped=()
unfinished=

say() { printf 'setup: %s\n' "$*"; }

die() {
    printf 'setup: %s\n' "$@" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

on_debian() { [[ -e /etc/debian_version ]] && has apt-get; }

is_debian_itself() { [[ -r /etc/os-release ]] && grep -qx 'ID="\?debian"\?' /etc/os-release; }

is_root() { [[ $(id -u) -eq 0 ]]; }

apt_updated=no
install_packages() {
    if [[ $apt_updated == no ]]; then
        say "apt-get update"
        # Not fatal: an older list may do, and if not, the installation says so.
        apt-get update -qq </dev/null || say "apt-get update failed; going on with the package lists that are there"
        apt_updated=yes
    fi
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null ||
        die "apt-get install $* failed; mend what it says above (network, /etc/apt), then run make setup again"
    installed+=("$@")
}

# Installs packages as root on Debian and its relatives, else says what is missing and stops.
need_packages() {
    local why=$1
    shift
    if on_debian && is_root; then
        install_packages "$@"
    elif on_debian; then
        die "$why" "run as root: apt-get update && apt-get install $*" "then run make setup again"
    else
        die "$why" "install it with your system's package manager (Debian calls it: $*), then run make setup again"
    fi
}

check_compilers() {
    has cargo || die "cargo is missing" "install Rust 1.95 or newer (rustup is the usual way), then run make setup again"
    if has cc || has gcc || has clang; then
        skipped+=("C compiler")
    else
        need_packages "a C compiler is missing" build-essential
    fi
}

# mysql_cdc links OpenSSL; everything else brings its own TLS.
check_openssl() {
    local missing=()
    has pkg-config || missing+=(pkg-config)
    if ! has pkg-config || ! pkg-config --exists openssl; then
        missing+=(libssl-dev)
    fi
    if [[ ${#missing[@]} -eq 0 ]]; then
        skipped+=("OpenSSL headers")
    else
        need_packages "OpenSSL's headers or pkg-config are missing" "${missing[@]}"
    fi
}

# Prints why the given answer to --version will not do; nothing if it will.
mysql_objection() {
    local answer=$1 major
    if [[ ${answer,,} == *mariadb* ]]; then
        echo "it is MariaDB"
        return
    fi
    major=$(sed -n 's/.* Ver \([0-9][0-9]*\)\..*/\1/p' <<<"$answer")
    if [[ -z $major ]]; then
        echo "it does not name its version"
    elif ((major < oldest_mysql)); then
        echo "it is older than 8.0"
    fi
}

# Runs a program of an unpacked root with that root's own loader and libraries; no chroot and no root needed.
in_root() {
    local root=$1 program=$2 loader
    shift 2
    loader=$(compgen -G "$root/usr/lib/*-linux-gnu/ld-linux*" | head -n 1) || return 1
    [[ -n $loader ]] || return 1
    "$loader" --library-path "$(dirname "$loader")" "$root/$program" "$@"
}

usable_root() {
    local answer
    answer=$(in_root "$1" usr/sbin/mysqld --version 2>/dev/null) && [[ -z $(mysql_objection "$answer") ]]
}

clean_up() {
    [[ -z $unfinished ]] || rm -rf --one-file-system -- "$unfinished"
}

# Debian's stable releases carry no MySQL, its unstable suite does. Its packages are unpacked into a folder of ours:
# nothing is installed, no service is started, and removing .tools removes it all.
unpack_mysql() {
    local missing=() archive log mirror=()
    has debootstrap || missing+=(debootstrap)
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
    [[ ${#missing[@]} -eq 0 ]] || install_packages "${missing[@]}"

    # Of a run that was killed; the lock says that no other run is at it.
    rm -rf --one-file-system -- "$tools"/mysql-root.unfinished.*
    unfinished=$(mktemp -d "$tools/mysql-root.unfinished.XXXXXX")
    log=$unfinished/download.log
    [[ -z ${LEADSTREAM_DEBIAN_MIRROR:-} ]] || mirror=("$LEADSTREAM_DEBIAN_MIRROR")
    say "downloading MySQL and its libraries from Debian's unstable suite (about 20 s, 150 MB)"
    if ! debootstrap --download-only --variant=minbase --include=mysql-server-core,mysql-client-core \
        sid "$unfinished/packages" "${mirror[@]}" </dev/null >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        die "the download failed; check the network, then run make setup again" \
            "(or put mysqld 8.0 or newer on the PATH, or set LEADSTREAM_TEST_MYSQL_URL)"
    fi
    say "unpacking into $mysql_root (about 10 s, 500 MB)"
    mkdir "$unfinished/root"
    for archive in "$unfinished"/packages/var/cache/apt/archives/*.deb; do
        dpkg-deb -x "$archive" "$unfinished/root" || die "$archive cannot be unpacked; run make setup again"
    done
    usable_root "$unfinished/root" || die "the unpacked mysqld does not run:" "$(in_root "$unfinished/root" usr/sbin/mysqld --version 2>&1 || true)"
    # Complete or absent: an interrupted run leaves nothing under the final name.
    rm -rf --one-file-system -- "$mysql_root"
    mv "$unfinished/root" "$mysql_root"
    installed+=("MySQL in $mysql_root")
}

provide_mysql() {
    local mysqld objection="there is none"
    if [[ -n ${LEADSTREAM_TEST_MYSQL_URL:-} ]]; then
        skipped+=("MySQL (LEADSTREAM_TEST_MYSQL_URL is set)")
        return
    fi
    if [[ -n ${LEADSTREAM_MYSQL_ROOT:-} ]]; then
        usable_root "$LEADSTREAM_MYSQL_ROOT" || die "LEADSTREAM_MYSQL_ROOT=$LEADSTREAM_MYSQL_ROOT holds no mysqld 8.0 or newer that runs"
        skipped+=("MySQL (LEADSTREAM_MYSQL_ROOT)")
        return
    fi
    if mysqld=$(PATH=$PATH:/usr/sbin:/usr/local/mysql/bin command -v mysqld); then
        objection=$(mysql_objection "$("$mysqld" --version 2>/dev/null || true)")
        if [[ -z $objection ]]; then
            skipped+=("MySQL ($mysqld)")
            return
        fi
        objection="$mysqld will not do: $objection"
    fi
    if [[ -d $mysql_root ]] && usable_root "$mysql_root"; then
        skipped+=("MySQL ($mysql_root)")
        return
    fi
    if is_debian_itself && is_root; then
        unpack_mysql
        return
    fi
    die "a MySQL server (mysqld) of 8.0 or newer is missing; on the PATH $objection" \
        "do one of these, then run make setup again:" \
        "- on Debian: run make setup once as root; it unpacks a server into $tools and installs no service" \
        "- on Ubuntu: apt-get install mysql-server-core-8.0 (or -8.4)" \
        "- elsewhere: put mysqld 8.0 or newer on the PATH" \
        "- or use a server that runs already: LEADSTREAM_TEST_MYSQL_URL=mysql://root@127.0.0.1:3306"
}

trap clean_up EXIT
trap 'exit 130' INT TERM
mkdir -p "$tools"
if has flock; then
    exec 9>"$tools/setup.lock"
    flock -w 600 9 || die "another make setup has been running for ten minutes; end it, then run make setup again"
fi

check_compilers
check_openssl
provide_mysql

join() {
    local IFS=,
    sed 's/,/, /g' <<<"$*"
}
[[ ${#installed[@]} -eq 0 ]] || say "installed: $(join "${installed[@]}")"
[[ ${#skipped[@]} -eq 0 ]] || say "there already: $(join "${skipped[@]}")"
