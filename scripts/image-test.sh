#!/usr/bin/env bash
# Builds the image and runs it as compose.yaml does, on a machine where no image can be pulled: base images that cannot
# be had are made here, by debootstrap. Looks at size, user and shell; then at 0.2 CPU, 1 GB, a read-only root, a lead
# that arrives, health, a stop within the grace, and a second start on the same volume. Takes a release build.
#
#   scripts/image-test.sh       as root, on Debian
#
#   IMAGE_TEST_BINARY=FILE      put this program into the image instead of building one
#   IMAGE_TEST_KEEP=1           leave images and volumes there
#   BUILD_IMAGE, RUNTIME_IMAGE  base images, when these can be had
#
# Installs docker.io, docker-compose and debootstrap when they are missing. A dockerd that it starts it also ends.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly image=leadstream:image-test
readonly suite=bookworm
readonly mirror=${LEADSTREAM_DEBIAN_MIRROR:-http://deb.debian.org/debian}
readonly max_bytes=$((40 * 1000 * 1000))
# docker stop -t; the unit's and the manifests' grace.
readonly grace_seconds=40
work=$(mktemp -d "${TMPDIR:-/tmp}/leadstream-image-test.XXXXXX")
readonly work
dockerd_pid=

say() { printf 'image-test: %s\n' "$*"; }

die() {
    printf 'image-test: FAILED: %s\n' "$@" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

clean_up() {
    local result=$?
    if [[ $result -ne 0 ]] && docker info >/dev/null 2>&1; then
        compose logs --tail 30 2>&1 || true
    fi
    if [[ -z ${IMAGE_TEST_KEEP:-} ]] && docker info >/dev/null 2>&1; then
        compose down --volumes >/dev/null 2>&1 || true
        docker image rm --force "$image" image-test/rust image-test/runtime image-test/mysql image-test/prometheus \
            >/dev/null 2>&1 || true
    fi
    if [[ -n $dockerd_pid ]]; then
        say "ending the dockerd that was started here"
        kill "$dockerd_pid" 2>/dev/null || true
        wait "$dockerd_pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

install_missing() {
    local missing=()
    has dockerd || missing+=(docker.io)
    has docker-compose || docker compose version >/dev/null 2>&1 || missing+=(docker-compose)
    has debootstrap || missing+=(debootstrap)
    has nsenter || missing+=(util-linux)
    has curl || missing+=(curl)
    [[ ${#missing[@]} -eq 0 ]] && return
    [[ $(id -u) -eq 0 ]] && has apt-get || die "missing: ${missing[*]}; install them, or run this as root on Debian"
    say "installing ${missing[*]}"
    apt-get update -qq </dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}

# Tries once a second, so many times, until the command succeeds.
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

start_engine() {
    if docker info >/dev/null 2>&1; then
        say "a container engine runs already"
        return
    fi
    say "starting dockerd"
    dockerd >"$work/dockerd.log" 2>&1 &
    dockerd_pid=$!
    wait_for "dockerd (see its log: $(tail -n 3 "$work/dockerd.log"))" 60 docker info
}

compose() {
    if docker compose version >/dev/null 2>&1; then
        docker compose --project-name image-test "$@"
    else
        docker-compose --project-name image-test "$@"
    fi
}

import() { tar -C "$1" --numeric-owner --exclude ./proc --exclude ./sys -c . | docker import "${@:3}" - "$2" >/dev/null; }

debian_root() {
    say "making a Debian root with $2"
    debootstrap --variant=minbase --include="$2" "$suite" "$1" "$mirror" >"$work/debootstrap.log" 2>&1 ||
        die "debootstrap: $(tail -n 3 "$work/debootstrap.log")"
    rm -rf "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
}

# A builder: this machine's Rust, and every crate's source, so that nothing is fetched inside.
make_builder() {
    local root=$work/builder
    debian_root "$root" gcc,libc6-dev,make,pkg-config,libssl-dev,ca-certificates,tzdata
    mkdir -p "$root/usr/local/cargo"
    if [[ -n ${IMAGE_TEST_BINARY:-} ]]; then
        say "the builder has the given program instead of a compiler"
        cp "$IMAGE_TEST_BINARY" "$root/usr/local/cargo/leadstream"
        printf '#!/bin/sh\nmkdir -p target/shipped\nexec cp /usr/local/cargo/leadstream target/shipped/leadstream\n' \
            >"$root/usr/local/bin/cargo"
        chmod 0755 "$root/usr/local/bin/cargo"
    else
        local toolchain
        toolchain=$(rustc --print sysroot)
        cp -a "$toolchain/bin" "$toolchain/lib" "$root/usr/local/"
        say "collecting the crates' sources"
        cargo vendor --quiet --locked --versioned-dirs "$root/usr/local/cargo/vendor" >/dev/null
        printf '[source.crates-io]\nreplace-with = "vendored"\n\n[source.vendored]\ndirectory = "/usr/local/cargo/vendor"\n' \
            >"$root/usr/local/cargo/config.toml"
    fi
    import "$root" image-test/rust --change 'ENV CARGO_HOME=/usr/local/cargo'
}

# What a distroless image has: glibc, libgcc_s, time zones, the public authorities. No program at all.
make_runtime() {
    local root=$work/runtime from=$work/builder path
    mkdir -p "$root/usr/lib" "$root/usr/lib64" "$root/etc/ssl/certs"
    ln -s usr/lib "$root/lib"
    ln -s usr/lib64 "$root/lib64"
    chroot "$from" dpkg -L base-files libc6 libgcc-s1 tzdata | sed 's|^/||' |
        grep -E '^(usr/)?lib|^etc/os-release|^usr/share/zoneinfo' | sort -u | while read -r path; do
        if [[ ! -d $from/$path || -L $from/$path ]]; then
            printf '%s\n' "$path"
        fi
    done >"$work/runtime.files"
    tar -C "$from" --no-recursion --files-from "$work/runtime.files" -c | tar -C "$root" --keep-directory-symlink -x
    cp "$from/etc/ssl/certs/ca-certificates.crt" "$root/etc/ssl/certs/"
    import "$root" image-test/runtime
}

# A stand-in for MySQL's image, from the server that tests run: as much of its entry point as compose.yaml asks for.
make_mysql() {
    local root=$work/mysql
    mkdir -p "$root/usr/local/bin"
    cat >"$root/usr/local/bin/entrypoint" <<'ENTRY'
#!/bin/bash
# Initialises an empty data folder, runs the scripts, then the server.
set -e
mkdir -p /var/lib/mysql /var/run/mysqld
options=(--user=root --datadir=/var/lib/mysql --mysqlx=OFF --secure-file-priv=NULL --socket=/var/run/mysqld/mysqld.sock)
printf '[client]\nsocket=/var/run/mysqld/mysqld.sock\n' >/root/.my.cnf
if [ ! -d /var/lib/mysql/mysql ]; then
    mysqld --no-defaults "${options[@]}" --initialize-insecure
    mysqld --no-defaults "${options[@]}" --skip-networking &
    until mysqladmin --silent --user=root ping 2>/dev/null; do sleep 0.2; done
    password=$(cat "$MYSQL_ROOT_PASSWORD_FILE")
    mysql --user=root -e "ALTER USER root@localhost IDENTIFIED BY '$password'"
    for script in /docker-entrypoint-initdb.d/*.sh; do . "$script"; done
    mysqladmin --user=root --password="$password" shutdown
    wait
fi
shift
exec mysqld --no-defaults "${options[@]}" "$@"
ENTRY
    chmod 0755 "$root/usr/local/bin/entrypoint"
    tar -C .tools/mysql-root --numeric-owner --exclude ./proc --exclude ./sys --exclude './var/lib/mysql/*' \
        -cf "$work/mysql.tar" .
    tar -C "$root" --numeric-owner -rf "$work/mysql.tar" ./usr/local/bin/entrypoint
    docker import --change 'ENTRYPOINT ["/usr/local/bin/entrypoint"]' --change 'ENV HOME=/root' \
        --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin' "$work/mysql.tar" image-test/mysql >/dev/null
    rm "$work/mysql.tar"
}

# As much of Prometheus' image as compose.yaml asks for, from the Prometheus that tests run.
make_prometheus() {
    mkdir -p "$work/prometheus"
    cp .tools/prometheus/prometheus "$work/prometheus/"
    printf '%s\n' "FROM $runtime_image" 'COPY prometheus /bin/prometheus' \
        'ENTRYPOINT ["/bin/prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]' \
        >"$work/prometheus/Dockerfile"
    docker build --quiet --tag image-test/prometheus "$work/prometheus" >/dev/null
}

have_image() { docker image inspect "$1" >/dev/null 2>&1 || docker pull --quiet "$1"; }

base_images() {
    local build=${BUILD_IMAGE:-} runtime=${RUNTIME_IMAGE:-}
    if [[ -n $build && -n $runtime ]] && have_image "$build" && have_image "$runtime"; then
        build_image=$build runtime_image=$runtime
        return
    fi
    say "the base images are made here, by debootstrap"
    make_builder
    make_runtime
    build_image=image-test/rust runtime_image=image-test/runtime
}

build() {
    say "building $image; a release build takes minutes"
    docker build --build-arg "BUILD_IMAGE=$build_image" --build-arg "RUNTIME_IMAGE=$runtime_image" \
        --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)" --tag "$image" . >"$work/build.log" 2>&1 ||
        die "docker build: $(tail -n 20 "$work/build.log")"
}

look_at_image() {
    local bytes user
    bytes=$(docker save "$image" | gzip -6 | wc -c)
    say "compressed: $bytes bytes"
    [[ $bytes -le $max_bytes ]] || die "the image has $bytes bytes compressed, more than $max_bytes"
    user=$(docker image inspect --format '{{.Config.User}}' "$image")
    [[ $user =~ ^[1-9][0-9]*:[1-9][0-9]*$ ]] || die "the user '$user' is not a number, or is root"
    if docker run --rm --entrypoint /bin/sh "$image" -c true 2>/dev/null; then
        # A runtime image of one's own may have one; ours needs none.
        [[ $runtime_image != image-test/runtime ]] || die "there is a shell"
    fi
    docker run --rm --read-only "$image" --version
}

status() { compose exec -T leadstream /usr/bin/leadstream status --json; }

# Reads a member of the first route's status: `route created`.
route() { status | python3 -c "import json,sys; r=json.load(sys.stdin)['routes'][0]; print(r.get('$1', r['totals'].get('$1')))"; }

has_created() { [[ $(route created) -eq $1 && $(route balances) == True ]]; }

is_scraped() {
    curl --fail --silent --get --data-urlencode 'query=up{job="leadstream"}' http://127.0.0.1:9090/api/v1/query | grep -q '"1"\]' &&
        curl --fail --silent http://127.0.0.1:9090/api/v1/rules | grep -q LeadstreamDown
}

id_of() { compose ps -q "$1"; }

is_healthy() { [[ $(docker inspect --format '{{.State.Health.Status}}' "$(id_of "$1")") == healthy ]]; }

insert() {
    compose exec -T mysql sh -c 'mysql --user=root --password="$(cat /run/secrets/mysql-root-password)" crm -e "$0"' \
        "INSERT INTO leads (first_name, last_name, company, email) VALUES $1"
}

run_it() {
    ops/compose/secrets.sh
    # The values of compose.yaml itself: 0.2 CPU, 1 GB, a read-only root, no capability.
    export LEADSTREAM_IMAGE=$image MYSQL_IMAGE=image-test/mysql PROMETHEUS_IMAGE=image-test/prometheus
    say "starting MySQL, the sandbox and leadstream as compose.yaml has them"
    compose up -d --no-build mysql salesforce leadstream
    wait_for "leadstream healthy" 180 is_healthy leadstream
    say "healthy"
    docker inspect --format 'image-test: cpus {{.HostConfig.NanoCpus}}e-9, memory {{.HostConfig.Memory}}, read-only {{.HostConfig.ReadonlyRootfs}}' \
        "$(id_of leadstream)"
    insert "('Ada','Brandt','Analytical','ada@example.org'),('Björn','Abara','Bridges','bjorn@example.org'),('Chloé','Moreau',NULL,'chloe@example.org')"
    wait_for "three leads in Salesforce" 60 has_created 3
    local there
    there=$(nsenter --target "$(docker inspect --format '{{.State.Pid}}' "$(id_of salesforce)")" --net \
        curl --fail --silent http://127.0.0.1:8081/__sandbox/leads)
    [[ $there == *ada@example.org* ]] || die "the org has no lead of Ada Brandt: $there"
    say "three leads arrived; in the org, too"
    docker stats --no-stream --format 'image-test: {{.Name}} {{.CPUPerc}} {{.MemUsage}}' "$(id_of leadstream)"

    local token
    token=$(compose exec -T leadstream /usr/bin/leadstream token new image-test --role viewer 2>/dev/null | grep -o 'ls_[A-Za-z0-9_-]*' | head -n 1)
    [[ -n $token ]] || die "no token was made in the container"
    curl --fail --silent --cacert ops/compose/secrets/ca.pem https://localhost:9464/readyz >/dev/null ||
        die "the published port does not answer"
    # A token file that has just been written is read within a second.
    wait_for "the API with a token" 10 curl --fail --silent --cacert ops/compose/secrets/ca.pem \
        --header "Authorization: Bearer $token" https://localhost:9464/api/v1/dead-letters
    say "TLS and token work through the published port"
    compose up -d --no-build prometheus
    wait_for "a scrape by Prometheus" 60 is_scraped
    say "Prometheus scrapes it over TLS, with the alert rules loaded"

    local before after code
    before=$(date +%s)
    docker stop --time "$grace_seconds" "$(id_of leadstream)" >/dev/null
    after=$(date +%s)
    code=$(docker inspect --format '{{.State.ExitCode}}' "$(docker ps -aq --filter label=com.docker.compose.project=image-test --filter label=com.docker.compose.service=leadstream)")
    [[ $code -eq 0 ]] || die "SIGTERM: exit code $code"
    say "stopped by SIGTERM in $((after - before)) s with exit code 0"
    insert "('Dmitri','Eriksen','Dunes','dmitri@example.org')"
    compose up -d --no-build leadstream
    wait_for "the fourth lead, and books that balance" 90 has_created 4
    say "started again on the same volume: 4 created, the books balance"
}

install_missing
start_engine
base_images
build
look_at_image
scripts/setup.sh
make_mysql
make_prometheus
run_it
say "passed"
