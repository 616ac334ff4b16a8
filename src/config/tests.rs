//! The configuration's rules: each kind of mistake with its path and page, layers, secrets.

use std::io;
use std::path::Path;

use proptest::prelude::*;

use super::mistake::*;
use super::*;

/// The documents that ship with the code say what it does.
mod documents;
mod leads;
mod recipes;
mod schema;

/// A configuration with everything that must be there; `secret` and `ca.pem` are files.
const SOUND: &str = r#"
[source]
url = "mysql://repl@db.example:3307"
password_file = "secret"
[salesforce]
login_url = "https://login.salesforce.com/"
auth = { kind = "client_credentials", client_id = "app", client_secret_file = "secret" }
[[route]]
name = "leads"
table = "crm.leads"
external_id = { field = "MySQL_Id__c", column = "id" }
fields = { LastName = "last_name" }
"#;

const HUNTER: &str = "hunter2";

fn read_file(path: &Path) -> io::Result<String> {
    match path.to_str().unwrap() {
        "secret" => Ok(format!("{HUNTER}\n")),
        "empty" => Ok("\n".to_owned()),
        "ca.pem" => Ok("-----BEGIN CERTIFICATE-----\n…".to_owned()),
        "key.pem" => Ok(format!(
            "-----BEGIN PRIVATE KEY-----\n{HUNTER}\n-----END PRIVATE KEY-----"
        )),
        "locked.pem" => Ok("-----BEGIN ENCRYPTED PRIVATE KEY-----".to_owned()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn pairs(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn load_text(text: &str, environment: &[(&str, &str)], set: &[&str]) -> Result<Config, Mistakes> {
    let set: Vec<String> = set.iter().map(|flag| (*flag).to_owned()).collect();
    let file = Path::new("leadstream.toml");
    load_from(Some((file, text)), &pairs(environment), &set, &read_file)
}

#[track_caller]
fn sound(text: &str, environment: &[(&str, &str)], set: &[&str]) -> Config {
    load_text(text, environment, set).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[track_caller]
fn mistakes(text: &str, environment: &[(&str, &str)], set: &[&str]) -> Vec<Mistake> {
    let mistakes = load_text(text, environment, set).expect_err("the configuration is sound");
    for mistake in &mistakes.0 {
        assert!(
            !mistake.rule.is_empty() && !mistake.remedy.is_empty(),
            "{mistake:?}"
        );
    }
    assert!(
        !format!("{mistakes} {mistakes:?}").contains(HUNTER),
        "{mistakes}"
    );
    mistakes.0
}

/// `SOUND` with `from` replaced by `to` has exactly this mistake.
#[track_caller]
fn check(from: &str, to: &str, page: &str, path: &str) -> Mistake {
    assert!(SOUND.contains(from), "{from}");
    let found = mistakes(&SOUND.replacen(from, to, 1), &[], &[]);
    let names: Vec<_> = found
        .iter()
        .map(|mistake| (mistake.page, &*mistake.path))
        .collect();
    assert_eq!(names, [(page, path)], "{found:#?}");
    found.into_iter().next().unwrap()
}

/// `SOUND` with these lines behind it has exactly this mistake.
#[track_caller]
fn check_more(lines: &str, page: &str, path: &str) -> Mistake {
    check(
        "fields = { LastName = \"last_name\" }\n",
        &format!("fields.LastName = \"x\"\n{lines}"),
        page,
        path,
    )
}

#[test]
fn defaults_stand_where_nothing_is_given() {
    let config = sound(SOUND, &[], &[]);
    assert_eq!(config.source.host, "db.example");
    assert_eq!(config.source.port, 3307);
    assert_eq!(config.source.user, "repl");
    assert_eq!(config.source.password.expose(), HUNTER);
    assert_eq!(
        config.source.tls,
        Tls {
            mode: TlsMode::VerifyIdentity,
            ca_file: None,
            client: None,
        }
    );
    assert_eq!(config.source.server_id, None);
    assert_eq!(config.source.start, Start::Now);
    assert_eq!(config.source.on_history_lost, OnHistoryLost::Pause);
    assert_eq!(config.snapshot.chunk_rows, 2_000);
    assert_eq!(config.snapshot.chunk_bytes, 1 << 20);
    assert_eq!(config.snapshot.max_rows_per_second, None);
    assert_eq!(config.snapshot.max_replica_lag_ms, 30_000);
    assert_eq!(config.source.heartbeat_ms, 5_000);
    assert_eq!(config.source.connect_timeout_ms, 10_000);
    assert_eq!(config.source.window_bytes, 4 << 20);
    assert_eq!(config.source.prepared_bytes, 16 << 20);
    assert_eq!(config.salesforce.login_url, "https://login.salesforce.com");
    assert_eq!(config.salesforce.api_version, "67.0");
    assert_eq!(config.salesforce.request_timeout_ms, 150_000);
    assert!(config.salesforce.compress);
    let route = &config.routes[0];
    assert_eq!(
        route.operations,
        Operations {
            insert: true,
            update: false,
            delete: false
        }
    );
    assert_eq!(route.object, "Lead");
    assert_eq!(route.auto_assign, AutoAssign::Off);
    assert_eq!(
        config.batch,
        Batch {
            max_records: 200,
            max_bytes: 1 << 20,
            max_age_ms: 1_000,
            max_age_stretched_ms: 60_000
        }
    );
    assert_eq!(
        config.pace,
        Pace {
            requests_per_second: 200,
            max_in_flight: 4,
            daily_calls: None,
            reserve_percent: 20,
            hourly_calls: None,
            quiet_hours: QuietHours::default(),
            bulk_from: Some(10_000),
        }
    );
    let retry = Retry {
        base_ms: 500,
        cap_ms: 60_000,
        record_attempts: 5,
        park_after_ms: 10_000,
    };
    assert_eq!(config.retry, retry);
    assert_eq!(config.state.max_parked_bytes, 1 << 30);
    assert_eq!(config.state.payload, PayloadPolicy::Masked);
    assert_eq!(config.operator.listen.to_string(), "127.0.0.1:9464");
    assert_eq!(config.operator.shutdown_grace_ms, 25_000);
    assert_eq!(
        config.log,
        Log {
            format: LogFormat::Human,
            level: "info".to_owned()
        }
    );
}

#[test]
fn later_layers_win() {
    let text = &format!("{SOUND}\n[batch]\nmax_age = \"5s\"\nmax_records = 10\nmax_bytes = 70000");
    let environment = [
        ("LEADSTREAM_BATCH__MAX_AGE", "3s"),
        ("LEADSTREAM_BATCH__MAX_RECORDS", "20"),
        ("LEADSTREAM_SALESFORCE__COMPRESS", "false"),
        ("LEADSTREAM_SOURCE__PASSWORD", "from the environment"),
        (
            "LEADSTREAM_SOURCE__TLS",
            "{ mode = \"verify_identity\", ca_file = \"ca.pem\" }",
        ),
        // Not ours: no double underscore.
        ("LEADSTREAM_PORT", "tcp://10.0.0.1:80"),
        ("LEADSTREAM_CONFIG", "x"),
        ("PATH", "/bin"),
    ];
    let config = sound(
        text,
        &environment,
        &["batch.max_age=0s", "source.server_id=7"],
    );
    assert_eq!(
        config.batch,
        Batch {
            max_records: 20,
            max_bytes: 70_000,
            max_age_ms: 0,
            max_age_stretched_ms: 60_000
        }
    );
    assert!(!config.salesforce.compress);
    assert_eq!(config.source.password.expose(), "from the environment");
    assert_eq!(config.source.tls.ca_file, Some("ca.pem".into()));
    assert_eq!(config.source.server_id, Some(7));
}

#[test]
fn a_password_that_looks_like_a_number_or_a_list_stays_a_text() {
    for password in ["12345", "[1]", "true", "{ a = 1 }", " x "] {
        let config = sound(SOUND, &[("LEADSTREAM_SOURCE__PASSWORD", password)], &[]);
        assert_eq!(config.source.password.expose(), password);
    }
}

#[test]
fn routes_may_come_whole_from_the_environment() {
    let text = &SOUND[..SOUND.find("[[route]]").unwrap()];
    let routes = "[{ name = 'a', table = 'b.c', external_id = { field = 'E__c', column = 'id' }, \
                  fields = { LastName = 'n' } }]";
    let config = sound(text, &[("LEADSTREAM_ROUTE", routes)], &[]);
    assert_eq!(config.routes[0].name, "a");
}

#[test]
fn fields_keep_the_order_of_the_file_and_know_their_key() {
    let config = sound(
        &SOUND.replace(
            "{ LastName = \"last_name\" }",
            "{ Z__c = 'z', A__c = { column = 'a', default = 1.5, trim = false }, \
             B__c = { constant = true } }",
        ),
        &[],
        &[],
    );
    let column = |name: &str, default| FieldSource::Column {
        name: name.to_owned(),
        default,
    };
    let field = |name: &str, source, trim| FieldMapping {
        field: name.to_owned(),
        source,
        trim,
        on_too_long: None,
        path: format!("route[0].fields.{name}"),
    };
    assert_eq!(
        config.routes[0].fields,
        [
            field("Z__c", column("z", None), true),
            field("A__c", column("a", Some(Scalar::Float(1.5))), false),
            field("B__c", FieldSource::Constant(Scalar::Boolean(true)), true),
        ]
    );
}

#[test]
fn a_jwt_login_takes_its_key_from_a_file_or_the_environment() {
    let text = SOUND.replace(
        "kind = \"client_credentials\", client_id = \"app\", client_secret_file = \"secret\"",
        "kind = \"jwt\", client_id = \"app\", username = \"a@b.example\", key_file = \"key.pem\"",
    );
    let config = sound(&text, &[], &[]);
    let Auth::Jwt {
        username,
        private_key_pem,
        audience,
        ..
    } = config.salesforce.auth
    else {
        panic!("not jwt");
    };
    assert_eq!(username, "a@b.example");
    assert!(private_key_pem.expose().contains("BEGIN PRIVATE KEY"));
    assert_eq!(audience, None);

    let found = mistakes(&text, &[("LEADSTREAM_SALESFORCE__AUTH__KEY", HUNTER)], &[]);
    assert_eq!(
        (found[0].page, &*found[0].path),
        (SECRET, "salesforce.auth.key")
    );
    let found = mistakes(&text.replace("key.pem", "locked.pem"), &[], &[]);
    assert_eq!(
        (found[0].page, &*found[0].path),
        (SECRET, "salesforce.auth.key_file")
    );
}

#[test]
fn a_loopback_mysql_needs_no_password() {
    let text = SOUND
        .replace("db.example", "127.0.0.1")
        .replace("password_file = \"secret\"\n", "");
    assert_eq!(sound(&text, &[], &[]).source.password.expose(), "");
}

#[test]
fn each_kind_of_mistake_names_its_key_and_page() {
    // Keys that are not ours.
    let mistake = check_more("[batch]\nmax_record = 3", UNKNOWN_KEY, "batch.max_record");
    assert_eq!(mistake.remedy, "did you mean max_records?");
    assert_eq!(mistake.origin, "leadstream.toml:14");
    assert_eq!(mistake.value, None);
    let mistake = check_more("[pace]\nmax_age = \"1s\"", UNKNOWN_KEY, "pace.max_age");
    assert_eq!(mistake.remedy, "it belongs in [batch]");
    check_more("[bacth]\nmax_age = \"1s\"", UNKNOWN_KEY, "bacth");
    check(
        "column = \"id\"",
        "column = \"id\", x = 1",
        UNKNOWN_KEY,
        "route[0].external_id.x",
    );
    check(
        "client_id = ",
        "username = \"a@b\", client_id = ",
        UNKNOWN_KEY,
        "salesforce.auth.username",
    );

    // Values that break their rule.
    let mistake = check_more(
        "[batch]\nmax_records = 500",
        WRONG_VALUE,
        "batch.max_records",
    );
    assert_eq!(mistake.rule, "must be a whole number from 1 to 200");
    assert_eq!(mistake.value.as_deref(), Some("500"));
    check_more("[batch]\nmax_records = 0", WRONG_VALUE, "batch.max_records");
    check_more(
        "[batch]\nmax_records = -1",
        WRONG_VALUE,
        "batch.max_records",
    );
    check_more(
        "[batch]\nmax_records = 99999999999999999999",
        WRONG_VALUE,
        "batch.max_records",
    );
    check_more(
        "[batch]\nmax_records = \"200\"",
        WRONG_VALUE,
        "batch.max_records",
    );
    check_more("[batch]\nmax_age = 1", WRONG_VALUE, "batch.max_age");
    check_more("[batch]\nmax_age = \"2h\"", WRONG_VALUE, "batch.max_age");
    check_more(
        "[batch]\nmax_bytes = \"1MB\"",
        WRONG_VALUE,
        "batch.max_bytes",
    );
    check_more(
        "[batch]\nmax_bytes = \"41MiB\"",
        WRONG_VALUE,
        "batch.max_bytes",
    );
    check(
        "fields",
        "table2 = 1\nfields",
        UNKNOWN_KEY,
        "route[0].table2",
    );
    check("[source]", "pace = 3\n[source]", WRONG_VALUE, "pace");
    check_more(
        "[pace]\nmax_in_flight = 26",
        WRONG_VALUE,
        "pace.max_in_flight",
    );
    check_more("[retry]\ncap = \"200ms\"", WRONG_VALUE, "retry.cap");
    check_more(
        "[retry]\nrecord_attempts = 0",
        WRONG_VALUE,
        "retry.record_attempts",
    );
    check_more("[state]\npayload = \"plain\"", WRONG_VALUE, "state.payload");
    check_more("[state]\npath = \"\"", WRONG_VALUE, "state.path");
    check_more(
        "[operator]\nlisten = \"9464\"",
        WRONG_VALUE,
        "operator.listen",
    );
    check_more("[log]\nlevel = \"inof\"", WRONG_VALUE, "log.level");
    check_more("[log]\nlevel = \"info,a[b=warn\"", WRONG_VALUE, "log.level");
    check_more("[log]\nformat = \"text\"", WRONG_VALUE, "log.format");
    check(
        "mysql://repl@db.example:3307",
        "db.example",
        WRONG_VALUE,
        "source.url",
    );
    check(
        "db.example:3307",
        "db.example/crm",
        WRONG_VALUE,
        "source.url",
    );
    check(
        "[salesforce]",
        "server_id = 0\n[salesforce]",
        WRONG_VALUE,
        "source.server_id",
    );
    check(
        "[salesforce]",
        "tls = true\n[salesforce]",
        WRONG_VALUE,
        "source.tls",
    );
    check(
        "[salesforce]",
        "tls.mode = \"on\"\n[salesforce]",
        WRONG_VALUE,
        "source.tls.mode",
    );
    check(
        "[salesforce]",
        "tls.ca_file = \"no\"\n[salesforce]",
        WRONG_VALUE,
        "source.tls.ca_file",
    );
    check(
        "[salesforce]",
        "tls = { mode = \"required\", ca_file = \"ca.pem\" }\n[salesforce]",
        WRONG_VALUE,
        "source.tls.ca_file",
    );
    for (tls, path) in [
        ("mode = \"verify_ca\"", "source.tls.mode"),
        ("cert_file = \"ca.pem\"", "source.tls.cert_file"),
        ("key_file = \"key.pem\"", "source.tls.key_file"),
        (
            "cert_file = \"ca.pem\", key_file = \"ca.pem\"",
            "source.tls.key_file",
        ),
        (
            "cert_file = \"secret\", key_file = \"key.pem\"",
            "source.tls.cert_file",
        ),
        (
            "mode = \"disabled\", cert_file = \"ca.pem\", key_file = \"key.pem\"",
            "source.tls.cert_file",
        ),
    ] {
        check(
            "[salesforce]",
            &format!("tls = {{ {tls} }}\n[salesforce]"),
            WRONG_VALUE,
            path,
        );
    }
    check(
        "https://login",
        "http://login",
        WRONG_VALUE,
        "salesforce.login_url",
    );
    check(
        "auth =",
        "api_version = 67.0\nauth =",
        WRONG_VALUE,
        "salesforce.api_version",
    );
    check(
        "auth =",
        "api_version = \"20.0\"\nauth =",
        WRONG_VALUE,
        "salesforce.api_version",
    );
    check(
        "auth =",
        "request_timeout = \"30s\"\nauth =",
        WRONG_VALUE,
        "salesforce.request_timeout",
    );
    check(
        "auth =",
        "compress = \"yes\"\nauth =",
        WRONG_VALUE,
        "salesforce.compress",
    );
    check(
        "\"client_credentials\"",
        "\"password\"",
        WRONG_VALUE,
        "salesforce.auth.kind",
    );
    check("\"leads\"", "\"Leads!\"", WRONG_VALUE, "route[0].name");
    check("\"crm.leads\"", "\"leads\"", WRONG_VALUE, "route[0].table");
    check("\"crm.leads\"", "\"a.b.c\"", WRONG_VALUE, "route[0].table");
    check(
        "fields",
        "operations = []\nfields",
        WRONG_VALUE,
        "route[0].operations",
    );
    check(
        "fields",
        "operations = [\"merge\"]\nfields",
        WRONG_VALUE,
        "route[0].operations",
    );
    check(
        "fields",
        "object = \"My Lead\"\nfields",
        WRONG_VALUE,
        "route[0].object",
    );
    check(
        "fields",
        "auto_assign = \"yes\"\nfields",
        WRONG_VALUE,
        "route[0].auto_assign",
    );
    check(
        "{ LastName = \"last_name\" }",
        "{}",
        WRONG_VALUE,
        "route[0].fields",
    );
    check(
        "\"last_name\"",
        "3",
        WRONG_VALUE,
        "route[0].fields.LastName",
    );
    check(
        "\"last_name\"",
        "{ default = 1 }",
        WRONG_VALUE,
        "route[0].fields.LastName",
    );
    check(
        "\"last_name\"",
        "{ column = 3 }",
        WRONG_VALUE,
        "route[0].fields.LastName.column",
    );
    check(
        "\"last_name\"",
        "{ constant = inf }",
        WRONG_VALUE,
        "route[0].fields.LastName.constant",
    );
    check(
        "\"last_name\"",
        "{ constant = 1, default = 2 }",
        WRONG_VALUE,
        "route[0].fields.LastName.default",
    );
    check(
        "\"last_name\"",
        "{ constant = 1, column = \"a\" }",
        WRONG_VALUE,
        "route[0].fields.LastName.constant",
    );
    check(
        "LastName = ",
        "\"Last Name\" = ",
        WRONG_VALUE,
        "route[0].fields.Last Name",
    );
    check(
        "LastName = ",
        "lastname = \"a\", LastName = ",
        WRONG_VALUE,
        "route[0].fields.LastName",
    );
    check(
        "LastName = ",
        "mysql_id__C = \"a\", LastName = ",
        WRONG_VALUE,
        "route[0].fields.mysql_id__C",
    );

    // Keys that must be there.
    check(
        "url = \"mysql://repl@db.example:3307\"\n",
        "",
        MISSING_KEY,
        "source.url",
    );
    check(
        "password_file = \"secret\"\n",
        "",
        MISSING_KEY,
        "source.password_file",
    );
    check(
        ", client_secret_file = \"secret\"",
        "",
        MISSING_KEY,
        "salesforce.auth.client_secret_file",
    );
    check(
        "kind = \"client_credentials\", ",
        "",
        MISSING_KEY,
        "salesforce.auth.kind",
    );
    check("name = \"leads\"\n", "", MISSING_KEY, "route[0].name");
    check(
        "external_id = { field = \"MySQL_Id__c\", column = \"id\" }",
        "",
        MISSING_KEY,
        "route[0].external_id",
    );
    check(
        ", column = \"id\"",
        "",
        MISSING_KEY,
        "route[0].external_id.column",
    );
    check(
        "fields = { LastName = \"last_name\" }\n",
        "",
        MISSING_KEY,
        "route[0].fields",
    );
    let mistake = check(
        &SOUND[SOUND.find("[[route]]").unwrap()..],
        "",
        MISSING_KEY,
        "route",
    );
    assert_eq!(mistake.origin, "leadstream.toml");

    // Secrets.
    check("repl@", "repl:hunter2@", SECRET, "source.url");
    check(
        "[salesforce]",
        "password = \"hunter2\"\n[salesforce]",
        SECRET,
        "source.password",
    );
    check(
        "client_secret_file = \"secret\"",
        "client_secret = \"hunter2\"",
        SECRET,
        "salesforce.auth.client_secret",
    );
    let mistake = check(
        "password_file = \"secret\"",
        "password_file = \"gone\"",
        SECRET,
        "source.password_file",
    );
    assert_eq!(mistake.value.as_deref(), Some("\"gone\""));
    check(
        "password_file = \"secret\"",
        "password_file = \"empty\"",
        SECRET,
        "source.password_file",
    );

    // What this version does not have.
    check_more(
        "operations = [\"insert\", \"delete\"]",
        NOT_AVAILABLE,
        "route[0].operations",
    );
    // A port that anybody may use.
    let open = "[operator]\nlisten = \"0.0.0.0:9464\"";
    let tls = "tls = { cert_file = \"c\", key_file = \"k\" }";
    let tokens = "token_file = \"t\"";
    for half in ["", tls, tokens] {
        let mistake = check_more(&format!("{open}\n{half}"), PORT_IS_OPEN, "operator.listen");
        assert_eq!(mistake.rule.contains("tls is"), half == tokens, "{mistake}");
        assert_eq!(mistake.rule.contains("token_file is"), half == tls);
    }
    sound(&format!("{SOUND}\n{open}\n{tokens}\n{tls}"), &[], &[]);
    check_more(
        "[operator]\ntls = { cert_file = \"c\" }",
        MISSING_KEY,
        "operator.tls.key_file",
    );
}

#[test]
fn the_budget_is_read_and_what_contradicts_itself_is_refused() {
    let more = "[batch]\nmax_age = \"2m\"\n[pace]\ndaily_calls = 15000\nreserve_percent = 0\nhourly_calls = 900\nquiet_hours = [\"22:00-06:00\"]\nutc_offset = \"+02:00\"";
    let config = sound(&format!("{SOUND}\n{more}"), &[], &[]);
    assert_eq!(config.batch.max_age_stretched_ms, 120_000);
    let pace = &config.pace;
    assert_eq!(
        (pace.daily_calls, pace.hourly_calls),
        (Some(15_000), Some(900))
    );
    assert_eq!(pace.reserve_percent, 0);
    assert_eq!(pace.quiet_hours.utc_offset_minutes, 120);
    assert_eq!(pace.quiet_hours.spans[0].from_minute, 22 * 60);
    check_more(
        "[batch]\nmax_age = \"2m\"\nmax_age_stretched = \"1m\"",
        WRONG_VALUE,
        "batch.max_age_stretched",
    );
    check_more(
        "[pace]\nquiet_hours = [\"22-6\"]",
        WRONG_VALUE,
        "pace.quiet_hours",
    );
    check_more(
        "[pace]\nutc_offset = \"CET\"",
        WRONG_VALUE,
        "pace.utc_offset",
    );
}

#[test]
fn mistakes_outside_the_file_name_their_variable_or_flag() {
    #[track_caller]
    fn check(environment: &[(&str, &str)], set: &[&str], page: &str, path: &str, origin: &str) {
        let found = mistakes(SOUND, environment, set);
        let names: Vec<_> = found
            .iter()
            .map(|found| (found.page, &*found.path, &*found.origin))
            .collect();
        assert_eq!(names, [(page, path, origin)]);
    }
    let env = "LEADSTREAM_BATCH__MAX_AGE";
    check(&[(env, "soon")], &[], WRONG_VALUE, "batch.max_age", env);
    let env = "LEADSTREAM_BATCH__MAX_AEG";
    check(&[(env, "1s")], &[], UNKNOWN_KEY, "batch.max_aeg", env);
    let env = "LEADSTREAM_SOURCE_PASSWORD";
    check(&[(env, HUNTER)], &[], UNKNOWN_KEY, "source.password", env);
    let env = "LEADSTREAM_SOURCE__PASSWORD";
    check(&[(env, "")], &[], SECRET, "source.password", env);
    let env = "LEADSTREAM_ROUTE__0__NAME";
    check(&[(env, "x")], &[], WRONG_VALUE, "route.0.name", env);
    let both = [
        ("LEADSTREAM_SOURCE__PASSWORD", HUNTER),
        ("LEADSTREAM_SOURCE__PASSWORD_FILE", "secret"),
    ];
    check(&both, &[], WRONG_VALUE, "source.password_file", both[1].0);
    check(
        &[],
        &["pace.max_in_flight=99"],
        WRONG_VALUE,
        "pace.max_in_flight",
        "--set pace.max_in_flight",
    );
    check(
        &[],
        &["source.password=hunter2"],
        SECRET,
        "source.password",
        "--set source.password",
    );
    check(
        &[],
        &["operator.tls=x"],
        WRONG_VALUE,
        "operator.tls",
        "--set operator.tls",
    );
    check(&[], &["hunter2"], WRONG_VALUE, "", "--set");
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_file_s_order() {
    let text = r#"
[batch]
max_records = 500
max_age = 3
[source]
url = "mysql://root:hunter2@db"
surprise = true
[salesforce]
auth = { kind = "jwt", client_id = "" }
[[route]]
name = "a"
table = "leads"
[[route]]
name = "a"
"#;
    let found = mistakes(
        text,
        &[("LEADSTREAM_PACE__MAX_IN_FLIGHT", "0")],
        &["log.level=loud"],
    );
    let paths: Vec<&str> = found.iter().map(|mistake| &*mistake.path).collect();
    assert_eq!(
        paths,
        [
            "batch.max_records",
            "batch.max_age",
            "source.url",
            "source.surprise",
            "salesforce.login_url",
            "salesforce.auth.username",
            "salesforce.auth.key_file",
            "salesforce.auth.client_id",
            "route[0].external_id",
            "route[0].fields",
            "route[0].table",
            "route[1].table",
            "route[1].external_id",
            "route[1].fields",
            "route[1].name",
            "pace.max_in_flight",
            "log.level",
        ]
    );
}

#[test]
fn a_file_that_is_not_toml_is_one_mistake_with_its_line() {
    #[track_caller]
    fn check(text: &str, origin: &str, shown: &str) {
        let found = mistakes(text, &[("LEADSTREAM_BATCH__MAX_AGE", "soon")], &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].page, &*found[0].origin),
            (NOT_TOML, origin),
            "{found:?}"
        );
        assert!(found[0].remedy.ends_with(shown), "{found:?}");
    }
    check(
        "[batch]\nmax_records = = 3\n",
        "leadstream.toml:2:15",
        ": max_records = = 3",
    );
    check(
        "[source]\npassword = hunter2\n",
        "leadstream.toml:2:12",
        ": password = [secret]",
    );
    check("a = 1\na = 2\n", "leadstream.toml:2:1", ": a = 2");
    check("[batch\n", "leadstream.toml:1:7", ": [batch");
    check("x = \"\"\"\nhunter2", "leadstream.toml:2:8", "[secret]");
}

#[test]
fn nothing_at_all_is_told_what_is_missing() {
    let found = load_from(None, &[], &[], &read_file).unwrap_err().0;
    let paths: Vec<&str> = found.iter().map(|mistake| &*mistake.path).collect();
    assert_eq!(
        paths,
        [
            "source.url",
            "salesforce.login_url",
            "salesforce.auth",
            "route"
        ]
    );
    assert!(found.iter().all(|mistake| mistake.page == MISSING_KEY));
}

#[test]
fn a_missing_file_is_told_with_where_it_was_looked_for() {
    let overrides = Overrides {
        config: Some("no/such.toml".into()),
        set: Vec::new(),
    };
    let found = load(&overrides).unwrap_err().0;
    assert_eq!(
        (found[0].page, &*found[0].origin),
        (UNREADABLE, "no/such.toml")
    );
    assert!(found[0].remedy.contains("no/such.toml"));
}

#[test]
fn mistakes_read_as_blocks() {
    let found = load_text(&SOUND.replace("\"leads\"", "\"Leads\""), &[], &[]).unwrap_err();
    assert_eq!(
        found.to_string(),
        "error[LS4004]: route[0].name = \"Leads\": must be 1 to 40 of a-z, 0-9, _ and -, unique \
         among the routes\n  from: leadstream.toml:9\n  remedy: name: names \
         the route in the journal, in metrics and commands; renaming starts new books"
    );
}

#[test]
fn secrets_never_show() {
    let config = sound(SOUND, &[], &[]);
    let shown = format!("{config:?}{}", config.print());
    assert!(!shown.contains(HUNTER));
    assert!(config.print().contains("auth.client_secret = \"[secret]\""));
}

#[test]
fn a_socket_needs_neither_password_nor_encryption_and_takes_no_tls() {
    let url = "source.url=mysql://me@/run/mysqld.sock";
    let without = SOUND.replace("password_file = \"secret\"\n", "");
    let config = sound(&without, &[], &[url]);
    assert_eq!(config.source.socket, Some("/run/mysqld.sock".into()));
    assert_eq!(config.source.tls.mode, TlsMode::Disabled);
    let printed = config.print();
    assert!(
        printed.contains("\"mysql://me@/run/mysqld.sock\""),
        "{printed}"
    );
    assert!(!printed.contains("tls.mode"), "{printed}");
    for tls in ["{ mode = 'required' }", "{ ca_file = 'ca.pem' }"] {
        let found = mistakes(SOUND, &[], &[url, &format!("source.tls={tls}")]);
        assert_eq!(found[0].path, "source.tls", "{found:?}");
    }
    sound(SOUND, &[], &[url, "source.tls={ mode = 'disabled' }"]);
}

#[test]
fn what_is_printed_reads_back_as_the_same() {
    let text = SOUND.replace(
        "{ LastName = \"last_name\" }",
        "{ Z__c = 'z', A__c = { column = 'a', default = 1.0, trim = false }, \
         B__c = { constant = \"it's \\\"so\\\"\" }, C__c = { column = 'c', trim = false } }",
    );
    let set = [
        "batch.max_age=90s",
        "batch.max_bytes=70000",
        "source.url=mysql://a%40b@[::1]",
        "source.server_id=9",
        "source.tls={ mode = 'verify_ca', ca_file = 'ca.pem', cert_file = 'ca.pem', key_file = 'key.pem' }",
        "source.compression=zlib",
        "source.stall_timeout=7s",
        "source.start=snapshot",
        "snapshot.max_rows_per_second=500",
        "log.level=info,leadstream=debug",
    ];
    let config = sound(&text, &[], &set);
    let printed = config.print();
    let without_secrets: String = printed
        .lines()
        .filter(|line| !line.contains(REDACTED))
        .map(|l| format!("{l}\n"))
        .collect();
    let secrets = [
        ("LEADSTREAM_SOURCE__PASSWORD", HUNTER),
        ("LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET", HUNTER),
    ];
    assert_eq!(sound(&without_secrets, &secrets, &[]), config, "{printed}");
    assert!(printed.contains("max_records = 200  # default\n"));
    assert!(printed.contains("cap = \"60s\"  # default\n"));
    assert!(printed.contains("max_age = \"90s\"\n"));
}

#[test]
fn a_secret_in_the_file_is_refused_even_when_the_environment_hides_it() {
    let text = SOUND.replace("[salesforce]", "password = \"hunter2\"\n[salesforce]");
    let found = mistakes(&text, &[("LEADSTREAM_SOURCE__PASSWORD", "other")], &[]);
    assert_eq!(
        (found[0].page, &*found[0].origin),
        (SECRET, "leadstream.toml:5")
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn secrets_in_places_where_nobody_expects_them_do_not_show() {
    let auth = "{ kind = 'client_credentials', client_secret = 'hunter2'";
    mistakes(SOUND, &[("LEADSTREAM_SALESFORCE__AUTH", auth)], &[]);
    mistakes(
        SOUND,
        &[("LEADSTREAM_SOURCE", "mysql://root:hunter2@db")],
        &["source=hunter2"],
    );
    mistakes(SOUND, &[], &["source.url=root:hunter2@db"]);
    mistakes(SOUND, &[], &["source.passwrd=hunter2"]);
    mistakes(
        SOUND,
        &[],
        &["salesforce.login_url=https://me:hunter2@login.salesforce.com"],
    );
    mistakes(
        SOUND,
        &[],
        &["source.password_file=-----BEGIN PRIVATE KEY-----hunter2"],
    );
}

#[test]
fn deep_nesting_is_refused_without_harm() {
    mistakes(&format!("a = {}", "[".repeat(100_000)), &[], &[]);
    let _ = load_text(SOUND, &[("LEADSTREAM_ROUTE", &"[".repeat(100_000))], &[]);
}

proptest! {
    /// Whatever stands in a file, a variable or a flag: an answer, never a panic.
    #[test]
    fn no_input_panics(
        at in 0..SOUND.len(),
        cut in 0usize..20,
        piece in "([a-z_.=\\[\\]{}\"' \n0-9#é-]|\\PC){0,12}",
        key in "[a-z_.]{0,12}",
    ) {
        let end = (at + cut).min(SOUND.len());
        let text = format!("{}{piece}{}", &SOUND[..at], &SOUND[end..]);
        let variable = format!("LEADSTREAM_{}", key.to_uppercase().replace('.', "__"));
        let flag = format!("{key}={piece}");
        let _ = load_text(&text, &[(&variable, &piece)], &[&flag, &piece]);
    }
}
