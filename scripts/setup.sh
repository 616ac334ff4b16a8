#!/usr/bin/env bash
# Brings a machine to where `make demo` and `make test` run: checks the compilers, installs what mysql_cdc links
# against, provides a MySQL server of 8.0 or newer, a MariaDB server of 10.5 or newer, Prometheus, the Salesforce
# clients that the sandbox is tested with, and the browser that the console is tested in. Idempotent; changes nothing
# that is there already.
#
#   scripts/setup.sh            all of it
#   scripts/setup.sh build      what building and a demo need
#
#   LEADSTREAM_TEST_MYSQL_URL   use this server; no MySQL is provided then
#   LEADSTREAM_MYSQL_ROOT       use this unpacked root instead of .tools/mysql-root
#   LEADSTREAM_MARIADB_ROOT     use this unpacked root instead of .tools/mariadb-root
#   LEADSTREAM_CHROMIUM         use this Chromium or Chrome instead of one on the PATH
#   LEADSTREAM_DEBIAN_MIRROR    where the servers' packages come from, instead of debootstrap's built-in mirror
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly scope=${1:-all}
case $scope in
all | build) ;;
*)
    printf 'usage: scripts/setup.sh [all|build]\n' >&2
    exit 2
    ;;
esac

readonly tools=.tools
readonly mysql_root=$tools/mysql-root
readonly mariadb_root=$tools/mariadb-root
readonly oldest_mysql=8
readonly prometheus=$tools/prometheus
readonly clients=$tools/clients
readonly clients_source=crates/salesforce-sandbox/tests/clients
readonly browser=$tools/browser
readonly browser_source=tests/browser
# What jsforce, Playwright and simple-salesforce, as pinned, run on.
readonly oldest_node=18
readonly oldest_python=3.9

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

# libFuzzer, which the fuzz targets link, is C++.
check_cxx() {
    if has c++ || has g++ || has clang++; then
        skipped+=("C++ compiler")
    else
        need_packages "a C++ compiler is missing" g++
    fi
}

# mysql_cdc names OpenSSL; everything else brings its own TLS.
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

# Prints why the given answer to --version will not do as MariaDB; nothing if it will.
mariadb_objection() {
    local answer=$1
    if ! [[ $answer =~ \ Ver\ ([0-9]+)\.([0-9]+)\..*MariaDB ]]; then
        echo "it is not MariaDB"
    elif ((BASH_REMATCH[1] * 100 + BASH_REMATCH[2] < 1005)); then
        echo "it is older than 10.5"
    fi
}

# Whether a root holds a server that runs and is what the given function has no objection to.
usable_root() {
    local root=$1 objection=$2 answer
    answer=$(in_root "$root" usr/sbin/mysqld --version 2>/dev/null) && [[ -z $("$objection" "$answer") ]]
}

clean_up() {
    [[ -z $unfinished ]] || rm -rf --one-file-system -- "$unfinished"
}

# Unpacks a server and its libraries from a suite of Debian into a folder of ours: nothing is installed, no service is
# started, and removing .tools removes it all.
unpack_server() {
    local name=$1 root=$2 objection=$3 suite=$4 packages=$5 size=$6
    local missing=() folder archive log mirror=()
    has debootstrap || missing+=(debootstrap)
    [[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
    [[ ${#missing[@]} -eq 0 ]] || install_packages "${missing[@]}"

    # Of a run that was killed; the lock says that no other run is at it.
    rm -rf --one-file-system -- "$root".unfinished.*
    unfinished=$(mktemp -d "$root.unfinished.XXXXXX")
    log=$unfinished/download.log
    [[ -z ${LEADSTREAM_DEBIAN_MIRROR:-} ]] || mirror=("$LEADSTREAM_DEBIAN_MIRROR")
    say "downloading $name and its libraries from Debian's suite $suite (about 20 s, 150 MB)"
    if ! debootstrap --download-only --variant=minbase --include="$packages" \
        "$suite" "$unfinished/packages" "${mirror[@]}" </dev/null >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        die "the download failed; check the network, then run make setup again"
    fi
    say "unpacking into $root (about 10 s, $size)"
    mkdir "$unfinished/root"
    # As on every Debian of today; packages of before would otherwise bring folders of these names.
    for folder in bin lib lib64 sbin; do
        mkdir -p "$unfinished/root/usr/$folder"
        ln -s "usr/$folder" "$unfinished/root/$folder"
    done
    for archive in "$unfinished"/packages/var/cache/apt/archives/*.deb; do
        # Not dpkg-deb -x: it would put a folder in the place of such a link.
        dpkg-deb --fsys-tarfile "$archive" | tar -x -C "$unfinished/root" --keep-directory-symlink ||
            die "$archive cannot be unpacked; run make setup again"
    done
    usable_root "$unfinished/root" "$objection" ||
        die "the unpacked mysqld does not run:" "$(in_root "$unfinished/root" usr/sbin/mysqld --version 2>&1 || true)"
    # Complete or absent: an interrupted run leaves nothing under the final name.
    rm -rf --one-file-system -- "$root"
    mv "$unfinished/root" "$root"
    rm -rf --one-file-system -- "$unfinished"
    unfinished=
    installed+=("$name in $root")
}

provide_mysql() {
    local mysqld objection="there is none"
    if [[ -n ${LEADSTREAM_TEST_MYSQL_URL:-} ]]; then
        skipped+=("MySQL (LEADSTREAM_TEST_MYSQL_URL is set)")
        return
    fi
    if [[ -n ${LEADSTREAM_MYSQL_ROOT:-} ]]; then
        usable_root "$LEADSTREAM_MYSQL_ROOT" mysql_objection ||
            die "LEADSTREAM_MYSQL_ROOT=$LEADSTREAM_MYSQL_ROOT holds no mysqld 8.0 or newer that runs"
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
    if [[ -d $mysql_root ]] && usable_root "$mysql_root" mysql_objection; then
        skipped+=("MySQL ($mysql_root)")
        return
    fi
    if is_debian_itself && is_root; then
        # Debian's stable releases carry no MySQL, its unstable suite does.
        unpack_server MySQL "$mysql_root" mysql_objection sid mysql-server-core,mysql-client-core "500 MB"
        return
    fi
    die "a MySQL server (mysqld) of 8.0 or newer is missing; on the PATH $objection" \
        "do one of these, then run make setup again:" \
        "- on Debian: run make setup once as root; it unpacks a server into $tools and installs no service" \
        "- on Ubuntu: apt-get install mysql-server-core-8.0 (or -8.4)" \
        "- elsewhere: put mysqld 8.0 or newer on the PATH" \
        "- or use a server that runs already: LEADSTREAM_TEST_MYSQL_URL=mysql://root@127.0.0.1:3306"
}

# The integration tests run a second time with MariaDB as the source. A demo needs none.
provide_mariadb() {
    if [[ -n ${LEADSTREAM_MARIADB_ROOT:-} ]]; then
        usable_root "$LEADSTREAM_MARIADB_ROOT" mariadb_objection ||
            die "LEADSTREAM_MARIADB_ROOT=$LEADSTREAM_MARIADB_ROOT holds no MariaDB 10.5 or newer that runs"
        skipped+=("MariaDB (LEADSTREAM_MARIADB_ROOT)")
    elif [[ -d $mariadb_root ]] && usable_root "$mariadb_root" mariadb_objection; then
        skipped+=("MariaDB ($mariadb_root)")
    elif is_debian_itself && is_root; then
        # The suite with 10.11, of whatever release this machine is.
        unpack_server MariaDB "$mariadb_root" mariadb_objection bookworm mariadb-server-core,mariadb-client-core "190 MB"
    else
        die "an unpacked MariaDB server of 10.5 or newer is missing" \
            "do one of these, then run make setup again:" \
            "- on Debian: run make setup once as root; it unpacks a server into $tools and installs no service" \
            "- elsewhere: name a folder that holds one (usr/sbin/mysqld and its libraries) in LEADSTREAM_MARIADB_ROOT"
    fi
}

# Prints why this Node.js will not do; nothing if it will.
node_objection() {
    local version
    version=$(node --version 2>/dev/null) || version=
    if ! [[ $version =~ ^v([0-9]+)\. ]]; then
        echo "$(command -v node) does not run"
    elif ((BASH_REMATCH[1] < oldest_node)); then
        echo "$(command -v node) is $version"
    fi
}

check_node() {
    local missing=() objection
    has node || missing+=(nodejs)
    has npm || missing+=(npm)
    [[ ${#missing[@]} -eq 0 ]] || need_packages "Node.js or its npm is missing" "${missing[@]}"
    objection=$(node_objection)
    [[ -z $objection ]] ||
        die "Node.js $oldest_node or newer is needed, and $objection" \
            "put a newer one on the PATH (Debian 12 and newer have it: nodejs, npm), then run make setup again"
    [[ ${#missing[@]} -ne 0 ]] || skipped+=("Node.js")
}

# Prints why this Python will not do; nothing if it will.
python_objection() {
    local answer
    answer=$(python3 -c "import sys; print(sys.version_info >= ($(sed 's/\./, /' <<<"$oldest_python")), sys.version.split()[0])" 2>/dev/null) || answer=
    case $answer in
    'True '*) ;;
    'False '*) echo "$(command -v python3) is ${answer#* }" ;;
    *) echo "$(command -v python3) does not run" ;;
    esac
}

check_python() {
    local missing=() objection
    has python3 || missing+=(python3)
    # Debian packs what a venv needs apart.
    python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
    [[ ${#missing[@]} -eq 0 ]] || need_packages "Python or its venv is missing" "${missing[@]}"
    objection=$(python_objection)
    [[ -z $objection ]] ||
        die "Python $oldest_python or newer is needed, and $objection" \
            "put a newer python3 on the PATH, then run make setup again"
    [[ ${#missing[@]} -ne 0 ]] || skipped+=("Python")
}

# All that the installed clients depend on; they are installed anew when it differs from what it was then.
clients_basis() {
    cat "$clients_source"/{package.json,package-lock.json,.npmrc,requirements.txt}
    node --version
    python3 -c 'import sys; print(sys.version, sys.base_prefix)'
}

usable_clients() {
    [[ $(clients_basis) == "$(cat "$clients/basis" 2>/dev/null)" ]] && "$clients/venv/bin/python" -c '' 2>/dev/null
}

# Runs an installing command, silently unless it fails.
install_quietly() {
    local what=$1 log=$unfinished/install.log
    shift
    if ! "$@" </dev/null >"$log" 2>&1; then
        tail -n 15 "$log" >&2
        die "$what could not be installed; check the network and what it says above, then run make setup again"
    fi
}

# Others' Salesforce clients, unchanged, in a folder of ours; lock files say to the byte what comes in. The packages'
# own install scripts do not run, nothing is compiled, and no cache is left elsewhere.
install_clients() {
    rm -rf --one-file-system -- "$tools"/clients.unfinished.*
    unfinished=$(mktemp -d "$tools/clients.unfinished.XXXXXX")
    cp "$clients_source"/{package.json,package-lock.json,.npmrc,requirements.txt} "$unfinished"
    say "installing the Salesforce clients that the sandbox is tested with into $clients (about 15 s, 150 MB)"
    install_quietly "jsforce" npm ci --prefix "$unfinished" --cache "$unfinished/cache" --no-audit --no-fund
    install_quietly "a Python venv" python3 -m venv "$unfinished/venv"
    install_quietly "simple-salesforce" "$unfinished/venv/bin/python" -m pip install --no-cache-dir \
        --disable-pip-version-check --require-hashes --only-binary :all: -r "$unfinished/requirements.txt"
    rm -rf --one-file-system -- "$unfinished/cache" "$unfinished/install.log"
    clients_basis >"$unfinished/basis"
    chmod 755 "$unfinished"
    rm -rf --one-file-system -- "$clients"
    mv "$unfinished" "$clients"
    installed+=("Salesforce clients in $clients")
}

provide_clients() {
    check_node
    check_python
    if usable_clients; then
        skipped+=("Salesforce clients ($clients)")
    else
        install_clients
    fi
}

# Prints the path of a Chromium or Chrome that runs; the browser tests look for the same.
find_chromium() {
    local name found
    for name in ${LEADSTREAM_CHROMIUM:-chromium chromium-browser google-chrome google-chrome-stable}; do
        # Ubuntu's chromium-browser is a script that names a snap and fails.
        if found=$(command -v "$name") && "$found" --version >/dev/null 2>&1; then
            echo "$found"
            return
        fi
    done
    return 1
}

# All that the installed packages depend on.
browser_basis() {
    cat "$browser_source"/{package.json,package-lock.json,.npmrc}
    node --version
}

# Playwright drives the browser, axe-core looks for what keeps people out; both in a folder of ours.
install_browser_packages() {
    rm -rf --one-file-system -- "$tools"/browser.unfinished.*
    unfinished=$(mktemp -d "$tools/browser.unfinished.XXXXXX")
    cp "$browser_source"/{package.json,package-lock.json,.npmrc} "$unfinished"
    say "installing Playwright and axe-core into $browser (about 5 s, 15 MB)"
    # npm finds nothing behind a link, which .tools may be.
    install_quietly "Playwright" npm ci --prefix "$(realpath "$unfinished")" --cache "$unfinished/cache" --no-audit --no-fund
    rm -rf --one-file-system -- "$unfinished/cache" "$unfinished/install.log"
    browser_basis >"$unfinished/basis"
    chmod 755 "$unfinished"
    rm -rf --one-file-system -- "$browser"
    mv "$unfinished" "$browser"
    unfinished=
    installed+=("Playwright and axe-core in $browser")
}

# The console is tried in a real browser. Runs after check_node.
provide_browser() {
    local found
    if found=$(find_chromium); then
        skipped+=("Chromium ($found)")
    elif [[ -n ${LEADSTREAM_CHROMIUM:-} ]]; then
        die "LEADSTREAM_CHROMIUM=$LEADSTREAM_CHROMIUM does not run"
    else
        need_packages "Chromium is missing" chromium
        find_chromium >/dev/null ||
            die "the installed chromium does not run" "name one that does in LEADSTREAM_CHROMIUM, then run make setup again"
    fi
    if [[ $(browser_basis) == "$(cat "$browser/basis" 2>/dev/null)" ]]; then
        skipped+=("Playwright and axe-core ($browser)")
    else
        install_browser_packages
    fi
}

# Whether the server and its promtool both run from there.
usable_prometheus() { "$1/prometheus" --version >/dev/null 2>&1 && "$1/promtool" --version >/dev/null 2>&1; }

# promtool tests the alert rules, a server asks every query of the dashboard. Debian packs both in one package, which
# starts a service: so it is unpacked into a folder of ours and nothing is installed. Works without root, too.
provide_prometheus() {
    local found archive
    if found=$(command -v prometheus) && usable_prometheus "$(dirname "$found")"; then
        skipped+=("Prometheus ($found)")
        return
    fi
    if usable_prometheus "$prometheus"; then
        skipped+=("Prometheus ($prometheus)")
        return
    fi
    on_debian && has dpkg-deb ||
        die "Prometheus is missing" "put prometheus and promtool on the PATH, then run make setup again"
    rm -rf --one-file-system -- "$tools"/prometheus.unfinished.*
    unfinished=$(mktemp -d "$tools/prometheus.unfinished.XXXXXX")
    # apt reads and writes packages as a user of its own when root asks.
    chmod 755 "$unfinished"
    say "downloading Debian's prometheus package (20 MB)"
    if ! (cd "$unfinished" && apt-get download -qq prometheus) >"$unfinished/download.log" 2>&1; then
        if is_root && [[ $apt_updated == no ]]; then
            apt-get update -qq </dev/null || true
            apt_updated=yes
        fi
        (cd "$unfinished" && apt-get download -qq prometheus) >"$unfinished/download.log" 2>&1 || {
            tail -n 5 "$unfinished/download.log" >&2
            die "the package prometheus could not be downloaded; check the network and apt-get update," \
                "or put prometheus and promtool on the PATH, then run make setup again"
        }
    fi
    archive=$(compgen -G "$unfinished/prometheus_*.deb" | head -n 1)
    mkdir "$unfinished/root" "$unfinished/ready"
    dpkg-deb -x "$archive" "$unfinished/root" || die "$archive cannot be unpacked; run make setup again"
    mv "$unfinished/root/usr/bin/prometheus" "$unfinished/root/usr/bin/promtool" "$unfinished/ready"
    usable_prometheus "$unfinished/ready" || die "the unpacked Prometheus does not run"
    rm -rf --one-file-system -- "$prometheus"
    mv "$unfinished/ready" "$prometheus"
    rm -rf --one-file-system -- "$unfinished"
    unfinished=
    installed+=("Prometheus in $prometheus")
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
if [[ $scope == all ]]; then
    provide_mariadb
    check_cxx
    provide_prometheus
    provide_clients
    provide_browser
fi

join() {
    local IFS=,
    sed 's/,/, /g' <<<"$*"
}
[[ ${#installed[@]} -eq 0 ]] || say "installed: $(join "${installed[@]}")"
[[ ${#skipped[@]} -eq 0 ]] || say "there already: $(join "${skipped[@]}")"
