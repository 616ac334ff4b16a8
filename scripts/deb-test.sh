#!/usr/bin/env bash
# Tries the Debian package in a clean Debian with systemd as its first process: installs, writes a configuration,
# starts, sees a lead arrive, upgrades, removes, installs again, purges. Needs a container engine, which
# scripts/image-test.sh can install; starts dockerd, and ends it, when none runs.
#
#   scripts/deb-test.sh FILE.deb    as root, on Debian
#
#   DEB_TEST_ROOT=IMAGE             a Debian image with systemd, adduser and ca-certificates, instead of a debootstrap
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly deb=${1:?usage: scripts/deb-test.sh FILE.deb}
readonly machine=leadstream-deb-test
readonly server=leadstream-deb-test-mysql
work=$(mktemp -d "${TMPDIR:-/tmp}/leadstream-deb-test.XXXXXX")
readonly work
dockerd_pid=

say() { printf 'deb-test: %s\n' "$*"; }

die() {
    printf 'deb-test: FAILED: %s\n' "$@" >&2
    exit 1
}

clean_up() {
    local result=$?
    if [[ $result -ne 0 ]]; then
        docker exec "$machine" journalctl --no-pager --lines 30 2>/dev/null || true
    fi
    docker rm --force --volumes "$machine" "$server" >/dev/null 2>&1 || true
    docker image rm --force deb-test/debian deb-test/mysql >/dev/null 2>&1 || true
    if [[ -n $dockerd_pid ]]; then
        kill "$dockerd_pid" 2>/dev/null || true
        wait "$dockerd_pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

wait_for() {
    local what=$1 seconds=$2
    shift 2
    for _ in $(seq "$seconds"); do
        if "$@" >/dev/null 2>&1; then
            return
        fi
        sleep 1
    done
    die "$what: not within $seconds s"
}

inside() { docker exec "$machine" "$@"; }

sql() { docker exec "$server" mysql --no-defaults --protocol=tcp --user=root -e "$1"; }

mysql_answers() { sql 'SELECT 1'; }

systemd_answers() { inside systemctl list-units; }

is_active() { inside systemctl --quiet is-active leadstream; }

has_created() {
    inside leadstream status --state /var/lib/leadstream --json |
        python3 -c "import json,sys; r=json.load(sys.stdin)['routes'][0]; sys.exit(not (r['totals']['created'] == $1 and r['balances']))"
}

main_pid() { inside systemctl show --property MainPID --value leadstream; }

if ! docker info >/dev/null 2>&1; then
    command -v dockerd >/dev/null || die "no container engine: apt-get install docker.io"
    dockerd >"$work/dockerd.log" 2>&1 &
    dockerd_pid=$!
    wait_for "dockerd" 60 docker info
fi

debian=${DEB_TEST_ROOT:-}
if [[ -z $debian ]]; then
    say "making a clean Debian"
    debootstrap --variant=minbase --include=systemd,adduser,ca-certificates bookworm "$work/debian" \
        "${LEADSTREAM_DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log" 2>&1 ||
        die "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
    tar -C "$work/debian" --numeric-owner --exclude ./proc --exclude ./sys -c . | docker import - deb-test/debian >/dev/null
    debian=deb-test/debian
fi
scripts/setup.sh build
tar -C .tools/mysql-root --numeric-owner --exclude ./proc --exclude ./sys -c . |
    docker import --change 'ENV PATH=/usr/sbin:/usr/bin' - deb-test/mysql >/dev/null

say "starting systemd"
# It needs its own branch of the cgroups; nothing else of the machine is its to change. Setting up PrivateUsers= together
# with ProtectProc= takes CAP_SYS_PTRACE, which a machine's own systemd has.
docker run --detach --name "$machine" --cap-add SYS_ADMIN --cap-add SYS_PTRACE --security-opt seccomp=unconfined \
    --security-opt apparmor=unconfined --tmpfs /run --tmpfs /run/lock --tmpfs /tmp \
    --volume /sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd --env container=docker \
    "$debian" /lib/systemd/systemd --log-target=journal >/dev/null
wait_for "systemd" 60 systemd_answers
docker run --detach --name "$server" --network "container:$machine" --entrypoint /bin/bash deb-test/mysql -c '
    options="--no-defaults --user=root --datadir=/data --mysqlx=OFF --secure-file-priv=NULL --socket=/tmp/mysqld.sock"
    mkdir /data && mysqld $options --initialize-insecure && exec mysqld $options --bind-address=127.0.0.1 \
        --server-id=1 --gtid-mode=ON --enforce-gtid-consistency=ON --binlog-row-metadata=FULL' >/dev/null

# The same program under a later version: what an upgrade does with folders, unit and process.
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
dpkg-deb --build -Zgzip -z1 --root-owner-group "$work/next" "$work/next.deb" >/dev/null
docker cp "$deb" "$machine:/leadstream.deb"
docker cp "$work/next.deb" "$machine:/next.deb"

say "installing"
inside dpkg --install /leadstream.deb
inside systemctl --quiet is-enabled leadstream || die "the unit is not enabled"
is_active && die "it runs without a configuration"
inside systemctl --quiet is-failed leadstream && die "it failed without a configuration"
[[ $(inside stat -c '%a %U %G' /var/lib/leadstream) == '700 leadstream leadstream' ]] || die "owner and mode of the state"
[[ $(inside stat -c '%a %U %G' /etc/leadstream) == '750 root leadstream' ]] || die "owner and mode of /etc/leadstream"

say "writing a configuration and starting"
wait_for "MySQL" 120 mysql_answers
sql "CREATE DATABASE crm; CREATE TABLE crm.leads (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
    first_name VARCHAR(40), last_name VARCHAR(80), company VARCHAR(255), email VARCHAR(120), phone VARCHAR(40),
    country VARCHAR(80), employees INT UNSIGNED, annual_revenue DECIMAL(18,2), newsletter TINYINT(1), score DOUBLE,
    plan VARCHAR(20), birthday DATE, signed_up_at TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6)) CHARACTER SET utf8mb4"
inside sh -c 'umask 027; printf leadstream-demo-secret >/etc/leadstream/client-secret
    sed "s|client_id = \"leadstream-demo\" }|client_id = \"leadstream-demo\", client_secret_file = \"/etc/leadstream/client-secret\" }|" \
        /usr/share/doc/leadstream/examples/leadstream.toml >/etc/leadstream/leadstream.toml
    chgrp leadstream /etc/leadstream/*'
docker exec --detach "$machine" leadstream sandbox --listen 127.0.0.1:8080
inside systemctl start leadstream
wait_for "leadstream ready" 60 inside leadstream status --ready --state /var/lib/leadstream
sql "INSERT INTO crm.leads (first_name, last_name, company) VALUES ('Ada', 'Brandt', 'Analytical')"
wait_for "a lead in Salesforce" 60 has_created 1
[[ $(inside sed -n 's/^Uid:\t\([0-9]*\).*/\1/p' "/proc/$(main_pid)/status") == "$(inside id -u leadstream)" ]] ||
    die "it does not run as leadstream"
inside systemd-analyze security --no-pager leadstream.service | tail -n 1

say "upgrading"
before=$(main_pid)
inside dpkg --install /next.deb
wait_for "leadstream ready after the upgrade" 60 inside leadstream status --ready --state /var/lib/leadstream
[[ $(main_pid) != "$before" ]] || die "the upgrade did not restart it"
sql "INSERT INTO crm.leads (first_name, last_name, company) VALUES ('Björn', 'Abara', 'Bridges')"
wait_for "a second lead, and books that balance" 60 has_created 2

say "removing"
inside dpkg --remove leadstream
is_active && die "it still runs"
inside test -d /var/lib/leadstream/journal || die "removal took the state"
inside test ! -e /usr/bin/leadstream || die "removal left the program"

say "installing again: it goes on"
inside dpkg --install /leadstream.deb
wait_for "leadstream ready again" 60 inside leadstream status --ready --state /var/lib/leadstream
wait_for "the books of before" 30 has_created 2

say "purging"
inside dpkg --purge leadstream
inside test -d /var/lib/leadstream/journal || die "purging took the journal"
inside test -e /etc/leadstream/leadstream.toml || die "purging took what it had not made"
inside dpkg --status leadstream >/dev/null 2>&1 && die "dpkg still knows it"
[[ -z $(inside find /etc/systemd /lib/systemd /var/lib/systemd/deb-systemd-helper-enabled -name 'leadstream.service') ]] ||
    die "purging left the unit"

say "purging without a journal"
inside sh -c 'rm -rf /var/lib/leadstream /etc/leadstream'
inside dpkg --install /leadstream.deb
inside dpkg --purge leadstream
inside test ! -e /var/lib/leadstream || die "an empty state folder stayed"
inside test ! -e /etc/leadstream || die "an empty folder stayed in /etc"
inside getent passwd leadstream >/dev/null && die "the user stayed"
say "passed"
