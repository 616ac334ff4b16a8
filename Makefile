# Every target begins with what it needs of setup, so that each works as the first command in a fresh clone. A demo needs
# neither the Salesforce clients nor the C++ compiler that tests need.

CARGO ?= cargo
# For each target.
FUZZ_SECONDS ?= 4
BIN := target/release/leadstream
# What packages and the image hold: the same with the profile `shipped`.
SHIPPED := target/shipped/leadstream
# Integration tests that only the first run runs. Groups that start no source, or name its kind:
ONE_SOURCE := tidy:: documents:: shell:: supply_chain:: state_at_rest:: rehearsal:: mysql_alone:: mariadb:: alerts:: dashboard:: logs::
# Places by file, tags, gtid_mode: MariaDB always has GTIDs, and other ones.
ONE_SOURCE += without_gtids positions::tagged_gtids positions::a_purged_file positions::gtids_switched
# MySQL's self-made certificates, its logins.
ONE_SOURCE += connection::each_tls_mode connection::a_certificate connection::caching_sha2 connection::nothing_is_given
# What MariaDB says in another way: LS1029 while only the SQL thread stands, LS1027 to another history (`mariadb.rs`).
ONE_SOURCE += failover::a_lagging_replica failover::a_replica_with_another_history
# MariaDB's sequence numbers alone do not tell a reset server that has passed them.
ONE_SOURCE += positions::a_reset_while_leadstream_is_away
# performance_schema.data_locks is MySQL's.
ONE_SOURCE += snapshot_reader::changes::no_lock_is_held
# Tables of every type that MySQL has.
ONE_SOURCE += second_opinion::
# What Salesforce's side or the disk alone decides.
ONE_SOURCE += matrix:: storm:: bulk_api:: bulk:: budget:: preview:: powerloss::
# Pages show what was captured, wherever it came from.
ONE_SOURCE += browser::
# MariaDB's storage engine makes these changes, and no binlog has them.
ONE_SOURCE += transactions::what_a_foreign_key_cascades_to

# Only `make demo SECONDS=30` counts. Shells have a variable of that name, and one that leaks in from the environment
# must not end a demo.
ifeq ($(origin SECONDS),command line)
demo_length := --seconds $(SECONDS)
endif

.DEFAULT_GOAL := help
.PHONY: help setup tools build demo test soak bench scenario golden lint

help:
	@echo 'make setup            install what is missing (a MySQL server among it); says what it does'
	@echo 'make demo             MySQL, a Salesforce sandbox, a lead generator and leadstream; Ctrl-C ends it'
	@echo 'make demo SECONDS=30  the same, ends by itself and checks its books'
	@echo 'make test             everything that CI runs: lint, then all tests'
	@echo 'make soak             the same tests with many more rounds of the random ones'
	@echo 'make bench            micro-benchmarks, then the end-to-end measurement'
	@echo 'make scenario         the peak hour with leadstream in 0.2 CPU and 1 GB; SCENARIO=hour or day: all of it'
	@echo 'make lint             formatting, clippy, documentation'
	@echo 'make dist             the release archive: program, completions, manual, licences, SBOM'
	@echo 'make image            the container image, tagged leadstream'
	@echo 'make image-test       builds and runs it on a machine that can pull no image; as root, on Debian'
	@echo 'make deb              the Debian package, target/debian/leadstream.deb'
	@echo 'make deb-test         installs, starts, upgrades, removes and purges it in a clean Debian'

setup:
	@scripts/setup.sh

tools:
	@scripts/setup.sh build

build: tools
	@[ -e $(BIN) ] || echo 'building leadstream: some ten minutes the first time, the last of them at its last line'
	$(CARGO) build --release --locked

# A demo always has a server of its own, so setup must provide one.
demo: export LEADSTREAM_TEST_MYSQL_URL :=
demo: build
	@$(BIN) demo $(demo_length)

# Each step of these runs once in the tests, unmeasured: a bench that no longer runs is noticed there.
SHORT_BENCHES := decode mapping settlement journal

# The integration tests run the release binary; crash tests run the test build, which has the failpoints.
# Two at a time: each may start a MySQL server of 170 MB.
test: setup lint build
	$(CARGO) test --workspace --locked --features leadstream/failpoints -- --test-threads=2
	RECORDS=1000 $(CARGO) test --package leadstream --locked --features leadstream/failpoints $(addprefix --bench ,$(SHORT_BENCHES))
	LEADSTREAM_TEST_SOURCE=mariadb $(CARGO) test --package leadstream --locked --features leadstream/failpoints \
	    --test it -- --test-threads=2 $(addprefix --skip ,$(ONE_SOURCE))
	scripts/fuzz.sh $(FUZZ_SECONDS)

soak: export LEADSTREAM_SOAK := 1
soak: FUZZ_SECONDS := 300
soak: test

bench: build
	$(CARGO) bench --locked --package leadstream

# What it may be told stands in `make scenario SCENARIO=--help`.
SCENARIO ?= peak
scenario: setup build
	$(CARGO) bench --locked --package leadstream --bench scenario -- $(SCENARIO)

# Once for each release: the state folder that later versions must be able to read.
golden: tools
	LEADSTREAM_GOLDEN=$(VERSION) $(CARGO) test --locked --package leadstream --lib -- a_new_state_is_as_the_golden_ones
	cp config/leadstream.toml tests/golden/$(VERSION)/leadstream.toml

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) metadata --manifest-path fuzz/Cargo.toml --locked --format-version 1 >/dev/null
	$(CARGO) clippy --workspace --all-targets --locked --features leadstream/failpoints,leadstream/fuzzing,salesforce-sandbox/fuzzing -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --locked --document-private-items

.PHONY: dist sbom deny audit image image-test deb deb-test

# The release archive: program, completions, manual, licences, SBOM, ops; with its checksum.
dist: tools
	scripts/dist.sh

sbom:
	scripts/inventory.py target/dist

# Their tools and their data are fetched; `cargo install --locked cargo-deny cargo-audit`. What needs no data from
# elsewhere of what they check, tests check.
deny:
	$(CARGO) deny check
audit:
	$(CARGO) audit

image:
	docker build --build-arg REVISION=$$(git rev-parse HEAD) --tag leadstream .

image-test:
	scripts/image-test.sh

# Fits every Debian with this glibc or a newer one. Set cargo-deb beside cargo with `cargo install --locked cargo-deb`.
deb: tools
	@$(CARGO) deb --version >/dev/null || { echo 'make deb: cargo install --locked cargo-deb'; exit 1; }
	$(CARGO) build --profile shipped --locked --bin leadstream
	mkdir -p target/deb
	for shell in bash zsh fish; do $(SHIPPED) completions $$shell >target/deb/leadstream.$$shell || exit 1; done
	$(SHIPPED) manual --to target/deb/man
	$(CARGO) deb --locked --no-build --profile shipped --output target/debian/leadstream.deb

deb-test: deb
	scripts/deb-test.sh target/debian/leadstream.deb
