//! The configuration that is in effect, as TOML. Secrets show a placeholder, which the reader
//! refuses: a printed configuration needs its secrets given again.

use crate::core::mapping::Unmapped;
use crate::core::secret::Secret;

use super::keys::{self, Kind, Need};
use super::mistake::REDACTED;
use super::pace::{print_quiet_span, print_utc_offset};
use super::toml_text::{join, quote};
use super::units::{format_bytes, format_duration_ms, parse_bytes, parse_duration_ms};
use super::{
    Auth, AutoAssign, Compression, Config, FieldMapping, FieldSource, LogFormat, OnConverted,
    OnDuplicate, OnHistoryLost, OnTooLong, Pace, PayloadPolicy, Route, Salesforce, Scalar,
    SnapshotSettings, Source, Start, TlsMode,
};

impl Config {
    /// The effective configuration as TOML; values that are the default say so in a comment.
    #[must_use]
    pub fn print(&self) -> String {
        let mut page = Page {
            text: String::new(),
        };
        print_source(&mut page, &self.source);
        print_snapshot(&mut page, &self.snapshot);
        print_salesforce(&mut page, &self.salesforce);
        for route in &self.routes {
            print_route(&mut page, route);
        }
        page.section("batch");
        page.number("batch", "max_records", self.batch.max_records as u64);
        page.number("batch", "max_bytes", self.batch.max_bytes as u64);
        page.number("batch", "max_age", self.batch.max_age_ms);
        page.number(
            "batch",
            "max_age_stretched",
            self.batch.max_age_stretched_ms,
        );
        page.section("pace");
        page.number(
            "pace",
            "requests_per_second",
            self.pace.requests_per_second.into(),
        );
        page.number("pace", "max_in_flight", self.pace.max_in_flight as u64);
        print_budget(&mut page, &self.pace);
        let bulk_from = match self.pace.bulk_from {
            Some(records) => records.to_string(),
            None => quote("off"),
        };
        page.line("pace", "bulk_from", &bulk_from);
        page.section("retry");
        page.number("retry", "base", self.retry.base_ms);
        page.number("retry", "cap", self.retry.cap_ms);
        page.number(
            "retry",
            "record_attempts",
            self.retry.record_attempts.into(),
        );
        page.number("retry", "park_after", self.retry.park_after_ms);
        page.section("state");
        page.text("state", "path", &self.state.path.display().to_string());
        page.number("state", "max_parked_bytes", self.state.max_parked_bytes);
        let payload = match self.state.payload {
            PayloadPolicy::Masked => "masked",
            PayloadPolicy::Full => "full",
            PayloadPolicy::Hash => "hash",
        };
        page.text("state", "payload", payload);
        match self.state.audit_retention_ms {
            Some(ms) => page.text("state", "audit_retention", &format_duration_ms(ms)),
            None => page.text("state", "audit_retention", "forever"),
        }
        match self.state.max_journal_bytes {
            Some(bytes) => page.text("state", "max_journal_bytes", &format_bytes(bytes)),
            None => page.text("state", "max_journal_bytes", "unlimited"),
        }
        if let Some(file) = &self.state.encryption_key_file {
            page.text("state", "encryption_key_file", &file.display().to_string());
        }
        page.section("operator");
        page.text("operator", "listen", &self.operator.listen.to_string());
        page.number(
            "operator",
            "shutdown_grace",
            self.operator.shutdown_grace_ms,
        );
        if let Some(file) = &self.operator.token_file {
            page.text("operator", "token_file", &file.display().to_string());
        }
        if let Some(tls) = &self.operator.tls {
            page.section("operator.tls");
            let (cert, key) = (tls.cert_file.display(), tls.key_file.display());
            page.text("operator.tls", "cert_file", &cert.to_string());
            page.text("operator.tls", "key_file", &key.to_string());
        }
        page.section("log");
        let format = match self.log.format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        };
        page.text("log", "format", format);
        page.text("log", "level", &self.log.level);
        page.text
    }
}

struct Page {
    text: String,
}

impl Page {
    fn section(&mut self, name: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&format!("[{name}]\n"));
    }

    /// A value as TOML, with the remark that it is the default where it is.
    fn line(&mut self, pattern: &str, name: &str, value: &str) {
        let default = match keys::find(&join(pattern, name)).map(|key| key.need) {
            Some(Need::Default(default)) => default,
            _ => "",
        };
        let remark = if default == value { "  # default" } else { "" };
        self.text.push_str(&format!("{name} = {value}{remark}\n"));
    }

    fn text(&mut self, pattern: &str, name: &str, value: &str) {
        self.line(pattern, name, &quote(value));
    }

    /// A number in the form of its key; a default keeps the form that it has in the documentation.
    fn number(&mut self, pattern: &str, name: &str, value: u64) {
        let Some(key) = keys::find(&join(pattern, name)) else {
            return;
        };
        let default = match key.need {
            Need::Default(default) => default,
            _ => "",
        };
        let bare = default.trim_matches('"');
        let (text, is_default) = match key.kind {
            Kind::Duration { .. } => (
                quote(&format_duration_ms(value)),
                parse_duration_ms(bare) == Some(value),
            ),
            Kind::Size { .. } => (
                quote(&format_bytes(value)),
                parse_bytes(bare) == Some(value),
            ),
            _ => (value.to_string(), false),
        };
        self.line(pattern, name, if is_default { default } else { &text });
    }

    fn secret(&mut self, name: &str, secret: &Secret) {
        if secret.expose().is_empty() {
            self.text.push_str(&format!("# {name}: none\n"));
        } else {
            self.text.push_str(&format!("{name} = \"{REDACTED}\"\n"));
        }
    }
}

fn print_budget(page: &mut Page, pace: &Pace) {
    if let Some(calls) = pace.daily_calls {
        page.number("pace", "daily_calls", calls);
    }
    page.number("pace", "reserve_percent", pace.reserve_percent.into());
    if let Some(calls) = pace.hourly_calls {
        page.number("pace", "hourly_calls", calls);
    }
    let spans = pace.quiet_hours.spans.iter();
    let spans: Vec<String> = spans.map(|span| quote(&print_quiet_span(*span))).collect();
    page.line("pace", "quiet_hours", &format!("[{}]", spans.join(", ")));
    let offset = print_utc_offset(pace.quiet_hours.utc_offset_minutes);
    page.text("pace", "utc_offset", &offset);
}

fn print_source(page: &mut Page, source: &Source) {
    page.section("source");
    let host = if source.host.contains(':') {
        format!("[{}]", source.host)
    } else {
        source.host.clone()
    };
    let user = encode_user(&source.user);
    page.text(
        "source",
        "url",
        &match &source.socket {
            Some(path) => format!("mysql://{user}@{}", path.display()),
            None => format!("mysql://{user}@{host}:{}", source.port),
        },
    );
    page.secret("password", &source.password);
    let mode = match source.tls.mode {
        TlsMode::Disabled => "disabled",
        TlsMode::Required => "required",
        TlsMode::VerifyCa => "verify_ca",
        TlsMode::VerifyIdentity => "verify_identity",
    };
    // With a socket the mode has no say, and giving one is a mistake.
    if source.socket.is_none() {
        page.text("source", "tls.mode", mode);
    }
    if let Some(path) = &source.tls.ca_file {
        page.text("source", "tls.ca_file", &path.display().to_string());
    }
    if let Some(client) = &source.tls.client {
        let path = client.cert_file.display().to_string();
        page.text("source", "tls.cert_file", &path);
        let path = client.key_file.display().to_string();
        page.text("source", "tls.key_file", &path);
    }
    let compression = match source.compression {
        Compression::None => "none",
        Compression::Zlib => "zlib",
    };
    page.text("source", "compression", compression);
    if let Some(id) = source.server_id {
        page.number("source", "server_id", id.into());
    }
    let start = match source.start {
        Start::Now => "now",
        Start::Earliest => "earliest",
        Start::Snapshot => "snapshot",
    };
    page.text("source", "start", start);
    let on_history_lost = match source.on_history_lost {
        OnHistoryLost::Pause => "pause",
        OnHistoryLost::Snapshot => "snapshot",
    };
    page.text("source", "on_history_lost", on_history_lost);
    page.number("source", "heartbeat", source.heartbeat_ms);
    page.number("source", "connect_timeout", source.connect_timeout_ms);
    page.number("source", "observe_interval", source.observe_interval_ms);
    page.number("source", "stall_timeout", source.stall_timeout_ms);
    page.number("source", "window_bytes", source.window_bytes.into());
    page.number("source", "prepared_bytes", source.prepared_bytes.into());
}

fn print_snapshot(page: &mut Page, snapshot: &SnapshotSettings) {
    page.section("snapshot");
    page.number("snapshot", "chunk_rows", snapshot.chunk_rows.into());
    page.number("snapshot", "chunk_bytes", snapshot.chunk_bytes.into());
    if let Some(rows) = snapshot.max_rows_per_second {
        page.number("snapshot", "max_rows_per_second", rows.into());
    }
    let threads = snapshot.max_source_threads.into();
    page.number("snapshot", "max_source_threads", threads);
    page.number("snapshot", "max_replica_lag", snapshot.max_replica_lag_ms);
}

fn print_salesforce(page: &mut Page, salesforce: &Salesforce) {
    page.section("salesforce");
    page.text("salesforce", "login_url", &salesforce.login_url);
    page.text("salesforce", "api_version", &salesforce.api_version);
    match &salesforce.auth {
        Auth::Jwt {
            client_id,
            username,
            private_key_pem,
            audience,
        } => {
            page.text("salesforce", "auth.kind", "jwt");
            page.text("salesforce", "auth.client_id", client_id);
            page.text("salesforce", "auth.username", username);
            page.secret("auth.key", private_key_pem);
            if let Some(audience) = audience {
                page.text("salesforce", "auth.audience", audience);
            }
        }
        Auth::ClientCredentials {
            client_id,
            client_secret,
        } => {
            page.text("salesforce", "auth.kind", "client_credentials");
            page.text("salesforce", "auth.client_id", client_id);
            page.secret("auth.client_secret", client_secret);
        }
    }
    page.number(
        "salesforce",
        "request_timeout",
        salesforce.request_timeout_ms,
    );
    page.number(
        "salesforce",
        "connect_timeout",
        salesforce.connect_timeout_ms,
    );
    page.line("salesforce", "compress", &salesforce.compress.to_string());
}

fn print_route(page: &mut Page, route: &Route) {
    page.section("[route]");
    page.text("route[]", "name", &route.name);
    page.text("route[]", "table", &route.table.to_string());
    let operations = [
        ("insert", route.operations.insert),
        ("update", route.operations.update),
        ("delete", route.operations.delete),
    ];
    let listed: Vec<String> = operations
        .iter()
        .filter(|(_, carried)| *carried)
        .map(|(word, _)| quote(word))
        .collect();
    page.line("route[]", "operations", &format!("[{}]", listed.join(", ")));
    page.text("route[]", "object", &route.object);
    page.text("route[]", "external_id.field", &route.external_id.field);
    page.text("route[]", "external_id.column", &route.external_id.column);
    let auto_assign = match &route.auto_assign {
        AutoAssign::Off => "false".to_owned(),
        AutoAssign::On => "true".to_owned(),
        AutoAssign::Rule(id) => quote(id),
    };
    page.line("route[]", "auto_assign", &auto_assign);
    let on_converted = match route.on_converted {
        OnConverted::DeadLetter => "dead_letter",
        OnConverted::Skip => "skip",
    };
    page.text("route[]", "on_converted", on_converted);
    let on_duplicate = match route.on_duplicate {
        OnDuplicate::DeadLetter => "dead_letter",
        OnDuplicate::Allow => "allow",
    };
    page.text("route[]", "on_duplicate", on_duplicate);
    if let Some(filter) = &route.filter {
        page.text("route[]", "where", filter);
    }
    page.text("route[]", "on_too_long", word_of(route.on_too_long));
    page.section("route.fields");
    for field in &route.fields {
        page.line("route[].fields", &field.field, &print_field(field));
    }
}

fn print_field(field: &FieldMapping) -> String {
    let mut parts: Vec<String> = Vec::new();
    let part = |name: &str, value: &str| format!("{name} = {value}");
    let default = match &field.source {
        FieldSource::Column { name, default } => {
            if default.is_none() && field.trim && field.on_too_long.is_none() {
                return quote(name);
            }
            parts.push(part("column", &quote(name)));
            default
        }
        FieldSource::Constant(value) => {
            parts.push(part("constant", &print_scalar(value)));
            &None
        }
        FieldSource::RecordType(name) => {
            parts.push(part("record_type", &quote(name)));
            &None
        }
        FieldSource::Map {
            column,
            pairs,
            unmapped,
            default,
        } => {
            let pair = |(key, value): &(String, Scalar)| part(&quote(key), &print_scalar(value));
            let pairs: Vec<String> = pairs.iter().map(pair).collect();
            parts.push(part("column", &quote(column)));
            parts.push(part("map", &format!("{{ {} }}", pairs.join(", "))));
            match unmapped {
                Unmapped::DeadLetter => {}
                Unmapped::Keep => parts.push(part("on_unmapped", "\"keep\"")),
                Unmapped::Otherwise(value) => {
                    parts.push(part("otherwise", &print_scalar(value)));
                }
            }
            default
        }
        FieldSource::Template { text, default } => {
            parts.push(part("template", &quote(text)));
            default
        }
        FieldSource::Expression { text, default } => {
            parts.push(part("expression", &quote(text)));
            default
        }
    };
    if let Some(default) = default {
        parts.push(part("default", &print_scalar(default)));
    }
    if !field.trim {
        parts.push(part("trim", "false"));
    }
    if let Some(policy) = field.on_too_long {
        parts.push(part("on_too_long", &quote(word_of(policy))));
    }
    format!("{{ {} }}", parts.join(", "))
}

fn word_of(policy: OnTooLong) -> &'static str {
    match policy {
        OnTooLong::DeadLetter => "dead_letter",
        OnTooLong::Truncate => "truncate",
    }
}

fn print_scalar(value: &Scalar) -> String {
    match value {
        Scalar::Text(text) => quote(text),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Float(number) => toml::Value::Float(*number).to_string(),
        Scalar::Boolean(value) => value.to_string(),
    }
}

/// The user as a URL holds it.
fn encode_user(user: &str) -> String {
    let mut text = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
