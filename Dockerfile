# The image: one program, no shell, no package manager, a numeric user. docs/install.md says how it is run.
#
#   docker build -t leadstream .
#   docker build --build-arg BUILD_IMAGE=… --build-arg RUNTIME_IMAGE=… -t leadstream .
#
# BUILD_IMAGE needs cargo of Rust 1.95 or newer, a C compiler, make, pkg-config and OpenSSL's headers
# (libssl-dev: mysql_cdc's bindings want them; nothing of it is in the program). RUNTIME_IMAGE needs glibc as old as the
# build's or newer, libgcc_s, and the public authorities in /etc/ssl/certs: Salesforce's certificate is checked against
# them.
ARG BUILD_IMAGE=docker.io/library/rust:1.95-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:latest

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
RUN cargo build --profile shipped --locked --package leadstream --bin leadstream
# Folders of the runtime image: it has no mkdir and no chown.
RUN mkdir -p /out/etc/leadstream /out/usr/bin /out/var/lib/leadstream /out/usr/share/doc/leadstream \
    && cp target/shipped/leadstream /out/usr/bin/leadstream \
    && cp LICENSE config/leadstream.toml /out/usr/share/doc/leadstream/ \
    && chmod 0700 /out/var/lib/leadstream

FROM ${RUNTIME_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="leadstream" \
      org.opencontainers.image.description="Tails the MySQL binlog and keeps Salesforce Leads in step within seconds, with a ledger that proves it" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.documentation="docs/install.md"
COPY --from=build /out/etc/leadstream /etc/leadstream
COPY --from=build /out/usr/bin/leadstream /usr/bin/leadstream
COPY --from=build /out/usr/share/doc/leadstream /usr/share/doc/leadstream
# The owner of a new named volume is taken from here.
COPY --from=build --chown=64646:64646 /out/var/lib/leadstream /var/lib/leadstream
# Wins over the file: the volume is where the state goes.
ENV LEADSTREAM_STATE__PATH=/var/lib/leadstream
# A number, so that an orchestrator can see that it is not root; one that no distribution hands out.
USER 64646:64646
WORKDIR /var/lib/leadstream
VOLUME ["/var/lib/leadstream"]
# Salesforce being away is no reason to be unhealthy; that the binlog is not streamed is. The start waits for both.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
    CMD ["/usr/bin/leadstream", "status", "--ready", "--state", "/var/lib/leadstream"]
# Calls in flight get 25 s (operator.shutdown_grace): stop with 40 s at least.
STOPSIGNAL SIGTERM
EXPOSE 9464
ENTRYPOINT ["/usr/bin/leadstream"]
CMD ["run", "--config", "/etc/leadstream/leadstream.toml"]
