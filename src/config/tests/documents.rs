//! The configuration's documents are true to the code.

use std::collections::BTreeMap;

use super::*;

/// The annotated file promises to hold every key with its default.
#[test]
fn the_annotated_file_names_every_key_with_its_default() {
    let text = include_str!("../../../config/leadstream.toml");
    for key in keys::KEYS {
        let name = key.path.rsplit('.').next().unwrap();
        let variable = layers::variable_name(key.path);
        assert!(
            text.contains(name) && (key.kind != keys::Kind::Secret || text.contains(&variable)),
            "{}",
            key.path
        );
        // mode's default is told in words: the demo needs another.
        if let (keys::Need::Default(default), false) = (key.need, key.path.contains(['*'])) {
            let stands = text.contains(&format!("\n{name} = {default}\n"));
            assert!(stands || key.path == "source.tls.mode", "{}", key.path);
        }
    }
}

#[test]
fn the_page_of_all_keys_is_the_one_that_the_program_prints() {
    let page = include_str!("../../../docs/configuration.md");
    assert!(
        page == reference::page(),
        "renew it: leadstream config reference > docs/configuration.md"
    );
    for key in keys::KEYS {
        assert!(
            page.contains(&format!("\n| `{}` |", key.path)),
            "{}",
            key.path
        );
    }
}

#[test]
fn keys_are_unique_and_each_default_keeps_its_own_rule() {
    let mut seen = BTreeMap::new();
    for key in keys::KEYS {
        assert!(seen.insert(key.path, ()).is_none(), "{}", key.path);
    }
    // The defaults are read by the code that reads the file.
    sound(SOUND, &[], &[]);
}

#[test]
fn every_page_exists() {
    let pages = [
        UNREADABLE,
        NOT_TOML,
        UNKNOWN_KEY,
        WRONG_VALUE,
        MISSING_KEY,
        SECRET,
        NOT_AVAILABLE,
    ];
    for page in pages {
        let path = format!("{}/docs/errors/{page}.md", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(text.starts_with(&format!("# {page}: ")), "{path}");
    }
}

#[test]
fn the_annotated_file_runs_the_demo() {
    let text = include_str!("../../../config/leadstream.toml");
    let secret = (
        "LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET",
        "leadstream-demo-secret",
    );
    let set = [
        "source.url=mysql://root@127.0.0.1:33060",
        "salesforce.login_url=http://127.0.0.1:18080",
        "state.path=/tmp/demo",
        "operator.listen=127.0.0.1:0",
    ];
    let config = sound(text, &[secret], &set);
    assert_eq!(config.source.port, 33060);
    assert_eq!(config.source.tls.mode, TlsMode::Disabled);
    assert_eq!(config.source.password.expose(), "");
    assert_eq!(config.salesforce.login_url, "http://127.0.0.1:18080");
    let Auth::ClientCredentials {
        client_id,
        client_secret,
    } = &config.salesforce.auth
    else {
        panic!("not client credentials");
    };
    assert_eq!(client_id, "leadstream-demo");
    assert_eq!(client_secret.expose(), "leadstream-demo-secret");
    let route = &config.routes[0];
    assert_eq!((config.routes.len(), &*route.name), (1, "leads"));
    assert_eq!(route.table.to_string(), "crm.leads");
    assert_eq!(route.external_id.field, "MySQL_Id__c");
    let fields: Vec<&str> = route.fields.iter().map(|field| &*field.field).collect();
    assert_eq!(
        fields,
        [
            "FirstName",
            "LastName",
            "Company",
            "Email",
            "Phone",
            "Country",
            "NumberOfEmployees",
            "AnnualRevenue",
            "Newsletter__c",
            "Score__c",
            "Plan__c",
            "Birthday__c",
            "Signup_At__c",
            "LeadSource"
        ]
    );
    assert_eq!(config.state.path, Path::new("/tmp/demo"));
}

/// The annotated file of each release, as `make golden` kept it.
#[test]
fn the_configuration_of_each_release_is_read() {
    let text = include_str!("../../../tests/golden/0.1.0/leadstream.toml");
    let secret = ("LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET", "invented");
    sound(text, &[secret], &[]);
}
