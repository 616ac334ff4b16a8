//! Every key of the configuration: its type, default, rule and meaning. The reader takes defaults
//! and ranges from here, `docs/configuration.md` is held to it by a test.

use std::fmt;

use self::Kind::{
    Boolean, Choice, Duration, Integer, List, Mixed, Path, Secret, Size, Table, Text,
};
use self::Need::{Default, Optional, Required};
use super::units::{format_bytes, format_duration_ms};

/// One key.
#[derive(Debug)]
pub struct Key {
    /// `batch.max_records`; `[]` stands for any element of a list, `*` for any name.
    pub path: &'static str,
    pub kind: Kind,
    pub need: Need,
    pub meaning: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Integer {
        min: i64,
        max: i64,
    },
    /// Milliseconds.
    Duration {
        min: u64,
        max: u64,
    },
    /// Bytes.
    Size {
        min: u64,
        max: u64,
    },
    Boolean,
    Choice(&'static [&'static str]),
    /// What the text must be.
    Text(&'static str),
    /// A file's or folder's path.
    Path(&'static str),
    /// Given by the environment alone.
    Secret,
    /// Several types are taken; says which.
    Mixed(&'static str),
    Table,
    /// A list; says of what.
    List(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Need {
    Required,
    Optional,
    /// As it is written in TOML.
    Default(&'static str),
}

impl Kind {
    /// The type's name in the documentation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Integer { .. } => "integer",
            Kind::Duration { .. } => "duration",
            Kind::Size { .. } => "size",
            Kind::Boolean => "boolean",
            Kind::Choice(_) => "choice",
            Kind::Text(_) => "text",
            Kind::Path(_) => "path",
            Kind::Secret => "secret",
            Kind::Mixed(_) => "mixed",
            Kind::Table => "table",
            Kind::List(_) => "list",
        }
    }
}

/// The rule, so that it reads after "must be".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Kind::Duration { min, max } => write!(
                f,
                "a duration from {} to {}",
                format_duration_ms(*min),
                format_duration_ms(*max)
            ),
            Kind::Size { min, max } => {
                write!(
                    f,
                    "a size from {} to {}",
                    format_bytes(*min),
                    format_bytes(*max)
                )
            }
            Kind::Boolean => f.write_str("true or false"),
            Kind::Choice(words) => {
                for (index, word) in words.iter().enumerate() {
                    match index {
                        0 => {}
                        _ if index + 1 == words.len() => f.write_str(" or ")?,
                        _ => f.write_str(", ")?,
                    }
                    write!(f, "\"{word}\"")?;
                }
                Ok(())
            }
            Kind::Text(rule) | Kind::Path(rule) | Kind::Mixed(rule) | Kind::List(rule) => {
                f.write_str(rule)
            }
            Kind::Secret => f.write_str("given by the environment, not by the file or a flag"),
            Kind::Table => f.write_str("a table"),
        }
    }
}

/// The key of that pattern.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Names of the keys directly under a pattern (`""` is the top).
pub fn children(parent: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(move |key| {
        let name = if parent.is_empty() {
            key.path
        } else {
            key.path.strip_prefix(parent)?.strip_prefix('.')?
        };
        (!name.contains(['.', '['])).then_some(name)
    })
}

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

const fn key(path: &'static str, kind: Kind, need: Need, meaning: &'static str) -> Key {
    Key {
        path,
        kind,
        need,
        meaning,
    }
}

const COLUMN: &str = "a column's name of 1 to 64 characters";
const API_NAME: &str =
    "an API name: a letter, then letters, digits and underscores, 80 characters at most";
const SCALAR: &str = "a text, a number, true or false";

/// In the order of the annotated file. Defaults whose reason is not in the meaning:
///
/// - `source.window_bytes`: `pace.max_in_flight` calls of `batch.max_bytes` each; keeps the whole
///   process under 64 MiB, and 8 MiB was no faster.
/// - `source.prepared_bytes`: XA transactions are few and small where they are used as intended;
///   together with the rest the process stays under 128 MiB.
/// - `snapshot.chunk_rows`: ten calls of `batch.max_records`, so that the pause between two chunks is
///   small beside the chunk; a statement that reads it takes milliseconds.
/// - `snapshot.max_source_threads`: more threads at work than most servers have cores.
/// - `salesforce.request_timeout`: Salesforce ends a request itself after 10 minutes, but answers
///   nearly all within 2; giving up earlier than 120 s would turn slow answers into unknown ones.
/// - `salesforce.api_version`: the one we are tested with; upserts of sObject Collections came with
///   46.0.
/// - `batch.max_records`: what one sObject Collections call takes; `batch.max_bytes` keeps such a
///   call far from the 50 MB that a request may have.
/// - `pace.requests_per_second`: with full calls 40,000 records a second, more than any org takes;
///   20 held every catch-up to 4,000.
/// - `pace.max_in_flight`: Salesforce counts 25 long requests against the whole org.
/// - `pace.bulk_from`: Salesforce's advice is 2,000, but a call of 200 answers in a second and a job in
///   minutes: below 10,000 a job saves few calls and costs time.
/// - `operator.shutdown_grace`: under the 30 s that container platforms give before they kill.
///
/// One line a key: it reads as the table that it is.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("source", Table, Required, "the MySQL server that is read"),
    key("source.url", Text("mysql://user@host:port or mysql://user@/path/of/socket"), Required, "where MySQL is and who we are; the port may be left out (3306)"),
    key("source.password", Secret, Optional, "MySQL password, as LEADSTREAM_SOURCE__PASSWORD"),
    key("source.password_file", Path("the path of a readable file"), Optional, "file with the MySQL password; a line end at its end is cut off"),
    key("source.tls", Table, Optional, "encryption towards MySQL"),
    key("source.tls.mode", Choice(&["disabled", "required", "verify_ca", "verify_identity"]), Default("\"verify_identity\""), "disabled: clear text; required: encrypted, server not verified; verify_ca: its certificate must be trusted, whatever its name; verify_identity: trusted and naming the host"),
    key("source.tls.ca_file", Path("the path of a readable PEM file"), Optional, "authorities that may sign the server's certificate; without it the public ones"),
    key("source.tls.cert_file", Path("the path of a readable PEM file"), Optional, "our own certificate, for accounts that REQUIRE X509"),
    key("source.tls.key_file", Path("the path of a readable PEM file"), Optional, "private key of cert_file, without a passphrase"),
    key("source.compression", Choice(&["none", "zlib"]), Default("\"none\""), "what the connection compresses; for slow lines, it costs CPU on both sides"),
    key("source.server_id", Integer { min: 1, max: 4_294_967_295 }, Optional, "our id among the server's replicas, unique there; without it one is derived from url and state folder, always the same"),
    key("source.start", Choice(&["now", "earliest", "snapshot"]), Default("\"now\""), "where the very first start begins: at new changes; at the oldest binlog that the server still has; at new changes, with the rows that are there already"),
    key("source.on_history_lost", Choice(&["pause", "snapshot"]), Default("\"pause\""), "when the server no longer has what comes next: pause: wait, visibly, until it has it again; snapshot: go on at its present end and read the routed tables anew"),
    key("source.heartbeat", Duration { min: 100, max: MINUTE }, Default("\"5s\""), "how often an idle server shows that it is alive; several missed ones mean a new connection"),
    key("source.connect_timeout", Duration { min: 100, max: 5 * MINUTE }, Default("\"10s\""), "how long a connection to MySQL may take"),
    key("source.observe_interval", Duration { min: 100, max: 10 * MINUTE }, Default("\"10s\""), "how often the server is asked on a connection of its own how far its binlog is"),
    key("source.stall_timeout", Duration { min: 500, max: HOUR }, Default("\"1m\""), "so long may the server's binlog grow without that an event arrives; then the stream is opened anew; six heartbeats at least"),
    key("source.window_bytes", Size { min: 64 * KIB, max: GIB }, Default("\"4MiB\""), "captured rows held in memory before capture waits"),
    key("source.prepared_bytes", Size { min: 64 * KIB, max: GIB }, Default("\"16MiB\""), "rows of prepared XA transactions held in memory until they are committed; more stops capture"),
    key("snapshot", Table, Optional, "how much a snapshot, the reading of existing rows, may ask of MySQL"),
    key("snapshot.chunk_rows", Integer { min: 10, max: 100_000 }, Default("2000"), "rows read with one statement; what a crash makes a snapshot read again"),
    key("snapshot.chunk_bytes", Size { min: 64 * KIB, max: 64 * MIB }, Default("\"1MiB\""), "values read with one statement; with wide rows it ends a chunk before chunk_rows"),
    key("snapshot.max_rows_per_second", Integer { min: 1, max: 1_000_000 }, Optional, "rows read in a second at most; without it as many as Salesforce takes"),
    key("snapshot.max_source_threads", Integer { min: 1, max: 100_000 }, Default("25"), "it pauses while more of MySQL's threads are at work (Threads_running)"),
    key("snapshot.max_replica_lag", Duration { min: 0, max: 24 * HOUR }, Default("\"30s\""), "it pauses while the MySQL that is read, itself a replica, is further behind"),
    key("salesforce", Table, Required, "the org that is written to"),
    key("salesforce.login_url", Text("https://host; http only for a loopback host"), Required, "where to log in: https://login.salesforce.com, https://test.salesforce.com or the org's own domain"),
    key("salesforce.api_version", Text("a version from 46.0 on, such as 67.0"), Default("\"67.0\""), "version of the REST API"),
    key("salesforce.auth", Table, Required, "how to log in"),
    key("salesforce.auth.kind", Choice(&["jwt", "client_credentials"]), Required, "jwt: signed with a private key; client_credentials: with a client secret"),
    key("salesforce.auth.client_id", Text("the app's consumer key"), Required, "consumer key of the connected or external client app"),
    key("salesforce.auth.client_secret", Secret, Optional, "client_credentials: consumer secret, as LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET"),
    key("salesforce.auth.client_secret_file", Path("the path of a readable file"), Optional, "client_credentials: file with the consumer secret"),
    key("salesforce.auth.username", Text("a Salesforce user name"), Optional, "jwt: the integration user; required with jwt"),
    key("salesforce.auth.key", Secret, Optional, "jwt: private key as PEM text, as LEADSTREAM_SALESFORCE__AUTH__KEY"),
    key("salesforce.auth.key_file", Path("the path of a readable PEM file"), Optional, "jwt: file with the private key"),
    key("salesforce.auth.audience", Text("an https URL; http only for a loopback host"), Optional, "jwt: audience of the assertion; without it the login URL"),
    key("salesforce.request_timeout", Duration { min: 120 * SECOND, max: 10 * MINUTE }, Default("\"150s\""), "how long an answer may take; after it the outcome counts as unknown"),
    key("salesforce.connect_timeout", Duration { min: 100, max: 5 * MINUTE }, Default("\"10s\""), "how long a connection to Salesforce may take"),
    key("salesforce.compress", Boolean, Default("true"), "gzip request bodies"),
    key("route", List("a list of 1 to 1000 tables, each [[route]]"), Required, "one table's way into one object"),
    key("route[].name", Text("1 to 40 of a-z, 0-9, _ and -, unique among the routes"), Required, "names the route in the journal, in metrics and commands; renaming starts new books"),
    key("route[].table", Text("schema.table"), Required, "the table that is read"),
    key("route[].operations", List("[\"insert\"] or [\"insert\", \"update\"]"), Default("[\"insert\"]"), "what is carried: inserts, and updates where they are asked for; deletes are not"),
    key("route[].where", Text("a CEL expression that gives true or false"), Optional, "the rows that are carried; without it all"),
    key("route[].object", Text(API_NAME), Default("\"Lead\""), "the Salesforce object that is written"),
    key("route[].external_id", Table, Required, "the unique field that upserts go by"),
    key("route[].external_id.field", Text(API_NAME), Required, "API name of the field: External ID and Unique"),
    key("route[].external_id.column", Text(COLUMN), Required, "column that fills it: not null, unique, never reused"),
    key("route[].auto_assign", Mixed("true, false or an assignment rule's id (01Q…, 15 or 18 characters)"), Default("false"), "whether Salesforce's assignment rules run on what we write"),
    key("route[].on_converted", Choice(&["dead_letter", "skip"]), Default("\"dead_letter\""), "changes of leads that are converted, which Salesforce refuses for ever: a person sees to them, or they are counted as skipped"),
    key("route[].on_duplicate", Choice(&["dead_letter", "allow"]), Default("\"dead_letter\""), "records that a duplicate rule objects to: a person sees to them, or rules that only alert are passed over; rules that block refuse all the same"),
    key("route[].on_too_long", Choice(&["dead_letter", "truncate"]), Default("\"dead_letter\""), "what becomes of a text longer than its field, where the field does not say otherwise; truncate cuts texts, never e-mail addresses, ids, keys and picklist values"),
    key("route[].fields", Table, Required, "what each field gets: Field = \"column\", or a table of the keys below"),
    key("route[].fields.*.column", Text(COLUMN), Optional, "column that fills the field; one of column, constant, template and expression"),
    key("route[].fields.*.default", Mixed(SCALAR), Optional, "takes the place of NULL"),
    key("route[].fields.*.constant", Mixed(SCALAR), Optional, "the same value for every record"),
    key("route[].fields.*.record_type", Text("the developer name of a record type"), Optional, "RecordTypeId only: the record type of this name; instead of column or constant"),
    key("route[].fields.*.trim", Boolean, Default("true"), "cut white space off both ends of a text"),
    key("route[].fields.*.map", Table, Optional, "with column: what each of its values becomes: { DE = \"Germany\", … }"),
    key("route[].fields.*.otherwise", Mixed(SCALAR), Optional, "with map: what every value becomes that it does not list"),
    key("route[].fields.*.on_unmapped", Choice(&["dead_letter", "keep"]), Optional, "with map and without otherwise: a value that it does not list makes a dead letter, which is the default, or is sent as it is"),
    key("route[].fields.*.template", Text("a text with columns in braces, such as {first_name} {last_name}"), Optional, "text made of columns; NULL counts as empty, {{ and }} are braces"),
    key("route[].fields.*.expression", Text("a CEL expression"), Optional, "value worked out from columns"),
    key("route[].fields.*.on_too_long", Choice(&["dead_letter", "truncate"]), Optional, "what becomes of a text longer than the field; without it as the route says"),
    key("batch", Table, Optional, "when a batch is closed: whichever limit comes first"),
    key("batch.max_records", Integer { min: 1, max: 200 }, Default("200"), "records in one call"),
    key("batch.max_bytes", Size { min: 64 * KIB, max: 40 * MIB }, Default("\"1MiB\""), "body of one call before compression"),
    key("batch.max_age", Duration { min: 0, max: HOUR }, Default("\"1s\""), "how long the oldest record waits for company at most, while the budget lasts; \"0s\" sends at once"),
    key("batch.max_age_stretched", Duration { min: 0, max: HOUR }, Default("\"60s\""), "how far pacing may stretch max_age so that the budget lasts; not below max_age"),
    key("pace", Table, Optional, "how hard Salesforce may be asked"),
    key("pace.requests_per_second", Integer { min: 1, max: 1_000 }, Default("200"), "calls started in a second at most: a guard against runaway loops, not a budget"),
    key("pace.max_in_flight", Integer { min: 1, max: 25 }, Default("4"), "calls waiting for their answer at most"),
    key("pace.daily_calls", Integer { min: 1, max: 100_000_000 }, Optional, "calls of ours in any 24 hours; without it what the org allows"),
    key("pace.reserve_percent", Integer { min: 0, max: 90 }, Default("20"), "part of the daily calls and of the org's allowance that is kept back for people and other tools"),
    key("pace.hourly_calls", Integer { min: 1, max: 10_000_000 }, Optional, "calls of ours in any hour at most"),
    key("pace.quiet_hours", List("a list of spans of the day, such as [\"22:00-06:00\"]"), Default("[]"), "when nothing is sent: what comes waits for the end"),
    key("pace.utc_offset", Text("hours and minutes ahead of UTC, from \"-14:00\" to \"+14:00\""), Default("\"+00:00\""), "the clock that quiet_hours are meant by; it does not move with summer time"),
    key("pace.bulk_from", Mixed("\"off\", or a whole number from 100 to 100000000"), Default("10000"), "records that wait from which Bulk API 2.0 is used; \"off\": never"),
    key("retry", Table, Optional, "how failures are tried again"),
    key("retry.base", Duration { min: 10, max: MINUTE }, Default("\"500ms\""), "first delay; it doubles with each attempt"),
    key("retry.cap", Duration { min: 100, max: HOUR }, Default("\"60s\""), "longest delay; not below retry.base"),
    key("retry.record_attempts", Integer { min: 1, max: 100 }, Default("5"), "attempts of one record before it becomes a dead letter"),
    key("retry.park_after", Duration { min: 0, max: HOUR }, Default("\"10s\""), "Salesforce down so long: what waits is parked on disk"),
    key("state", Table, Optional, "the folder that holds journal and index"),
    key("state.path", Path("the path of a folder"), Default("\"state\""), "the folder; relative to the working directory"),
    key("state.max_parked_bytes", Size { min: MIB, max: TIB }, Default("\"1GiB\""), "parked payloads on disk before capture waits"),
    key("state.payload", Choice(&["masked", "full", "hash"]), Default("\"masked\""), "what the audit trail keeps of delivered values; a dead letter always keeps what its replay needs"),
    key("state.audit_retention", Mixed("a duration from 1h to 36500d, or \"forever\""), Default("\"90d\""), "how long journal segments are kept; what is parked and open dead letters stay, however old"),
    key("state.max_journal_bytes", Mixed("a size from 64MiB to 1TiB, or \"unlimited\""), Default("\"unlimited\""), "while the journal takes more, its oldest segments are dropped, however young"),
    key("state.encryption_key_file", Path("the path of a file of mode 0600 or 0400, or of root's that a group may read"), Optional, "keys that personal values on disk are encrypted with, 32 bytes a line in hex or base64, the newest first; without it they stand in clear"),
    key("operator", Table, Optional, "the operator's HTTP port: health, metrics, status"),
    key("operator.listen", Text("an address and port such as 127.0.0.1:9464"), Default("\"127.0.0.1:9464\""), "where it listens; one that other machines reach needs token_file and tls; port 0 takes any free one"),
    key("operator.token_file", Path("the path of a file of mode 0600 or 0400, or of root's that a group may read"), Optional, "hashes of the tokens that let people and programs in, as `leadstream token new` writes them; without it nobody can sign in"),
    key("operator.tls", Table, Optional, "encryption of the port; without it plain HTTP, on a loopback address only"),
    key("operator.tls.cert_file", Path("the path of a readable PEM file"), Required, "the port's certificate, and those that lead to a root; read again when it changes"),
    key("operator.tls.key_file", Path("the path of a readable PEM file"), Required, "private key of cert_file, without a passphrase"),
    key("operator.shutdown_grace", Duration { min: 0, max: 10 * MINUTE }, Default("\"25s\""), "how long calls in flight are waited for when the service stops"),
    key("log", Table, Optional, "what is logged to stderr"),
    key("log.format", Choice(&["human", "json"]), Default("\"human\""), "lines for people, or one JSON object a line"),
    key("log.level", Text("off, error, warn, info, debug, trace, or a list of target=level"), Default("\"info\""), "how much is logged: \"info,leadstream::capture=debug\""),
];
