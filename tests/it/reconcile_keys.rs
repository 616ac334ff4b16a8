//! `leadstream reconcile` where the table's key is a text in its collation's order, bytes, two
//! columns, or beyond what a signed integer holds: what was deleted and changed in Salesforce is
//! found by it, and sent again.

use salesforce_sandbox::OrgConfig;
use serde_json::{Value, json};

use crate::harness::{Build, World};

const FAILURE: i32 = 1;
const ROWS: usize = 6;
/// Others beside them, so that a table takes several chunks.
const OTHERS: usize = 20;
const ALL: u64 = (ROWS + OTHERS) as u64;

/// One table, and what its external ids are.
struct Keyed {
    name: &'static str,
    field: &'static str,
    /// The column that fills the external id.
    column: &'static str,
    key: &'static str,
    /// The columns of the key as SQL, one row each, in an order that is not the bytes'.
    rows: [&'static str; ROWS],
    /// What Salesforce knows them by.
    ids: [&'static str; ROWS],
    /// The columns of another row's key, `#` for its number.
    other: &'static str,
}

const TABLES: [Keyed; 4] = [
    Keyed {
        name: "by_text",
        field: "Text_Key__c",
        column: "code",
        key: "code VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY",
        rows: [
            "'anna'",
            "'Bert'",
            "'ärz'",
            "'o''neil'",
            "'100%_x'",
            "'Zoë\\\\'",
        ],
        ids: ["anna", "Bert", "ärz", "o'neil", "100%_x", "Zoë\\"],
        other: "'other #'",
    },
    Keyed {
        name: "by_bytes",
        field: "Bytes_Key__c",
        column: "id",
        key: "id BINARY(16) PRIMARY KEY",
        rows: [
            "UNHEX('00000000000040008000000000000001')",
            "UNHEX('7f00000000004000800000000000aa27')",
            "UNHEX('80000000000040008000000000000000')",
            "UNHEX('ff00000000004000800000000000005c')",
            "UNHEX('0a000000000040008000000000000a00')",
            "UNHEX('ffffffffffff4fff8fffffffffffffff')",
        ],
        ids: [
            "00000000-0000-4000-8000-000000000001",
            "7f000000-0000-4000-8000-00000000aa27",
            "80000000-0000-4000-8000-000000000000",
            "ff000000-0000-4000-8000-00000000005c",
            "0a000000-0000-4000-8000-000000000a00",
            "ffffffff-ffff-4fff-8fff-ffffffffffff",
        ],
        other: "UNHEX(LPAD(HEX(#), 32, '9'))",
    },
    Keyed {
        name: "by_two",
        field: "Two_Key__c",
        column: "code",
        key: "tenant INT, number SMALLINT, code VARCHAR(20) NOT NULL UNIQUE, \
              PRIMARY KEY (tenant, number)",
        rows: [
            "-1, 7, 'm1-7'",
            "0, -3, '0-m3'",
            "0, 3, '0-3'",
            "2, 1, '2-1'",
            "2, 2, '2-2'",
            "2147483647, 32767, 'last'",
        ],
        ids: ["m1-7", "0-m3", "0-3", "2-1", "2-2", "last"],
        other: "5, #, '5-#'",
    },
    Keyed {
        name: "by_wide",
        field: "Wide_Key__c",
        column: "id",
        key: "id BIGINT UNSIGNED PRIMARY KEY",
        rows: [
            "1",
            "9",
            "10",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
        ],
        ids: [
            "1",
            "9",
            "10",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
        ],
        other: "1000#",
    },
];

fn world() -> World {
    let mut org = OrgConfig::default();
    let ours = org.fields.iter().find(|field| field.name == "MySQL_Id__c");
    let ours = ours.expect("the demo's external id").clone();
    for table in &TABLES {
        let mut field = ours.clone();
        field.name = table.field.to_owned();
        field.label = None;
        org.fields.push(field);
    }
    World::with(Build::Release, Default::default(), org)
}

#[track_caller]
fn lead(world: &World, table: &Keyed, id: &str) -> String {
    let leads = world.org.leads();
    let lead = leads.iter().find(|lead| {
        lead.fields
            .get(table.field)
            .is_some_and(|value| value == id)
    });
    lead.unwrap_or_else(|| panic!("{}: no lead {id}", table.name))
        .id
        .clone()
}

/// Exit code, and each table's counts: missing, different, extra, equal.
fn reconcile(world: &World, more: &[&str]) -> (i32, Vec<[u64; 4]>) {
    let answer = world.command(&[&["reconcile", "--json"], more].concat());
    assert!(!answer.stdout.is_empty(), "{answer:?}");
    let report = answer.json();
    let count = |route: &Value, name: &str| route[name].as_u64().unwrap_or_default();
    let counts = TABLES.iter().map(|table| {
        let routes = report["routes"].as_array().unwrap();
        let route = routes.iter().find(|route| route["route"] == table.name);
        let route = route.unwrap_or_else(|| panic!("{}: {report:#}", table.name));
        ["missing", "different", "extra", "equal"].map(|name| count(route, name))
    });
    (answer.code, counts.collect())
}

#[test]
fn keys_of_every_kind_are_compared_and_repaired() {
    let mut world = world();
    let mut routes = String::new();
    for table in &TABLES {
        let (name, field, column, key) = (table.name, table.field, table.column, table.key);
        let key = key.replace("PRIMARY KEY (", "company VARCHAR(80), PRIMARY KEY (");
        let company = match key.contains("company") {
            true => "",
            false => ", company VARCHAR(80)",
        };
        world.execute(&[&format!("CREATE TABLE crm.{name} ({key}{company})")]);
        routes += &format!(
            "\n[[route]]\nname = \"{name}\"\ntable = \"crm.{name}\"\n\
             external_id = {{ field = \"{field}\", column = \"{column}\" }}\n\
             fields = {{ LastName = {{ constant = \"Doe\" }}, Company = \"company\" }}\n"
        );
    }
    world.edit_config("\n[batch]\n", &(routes + "\n[batch]\n"));
    world.set("snapshot.chunk_rows", "10");
    world.set("batch.max_age", "10ms");
    world.start();
    for table in &TABLES {
        let columns = match table.name {
            "by_two" => "tenant, number, code, company",
            _ => &format!("{}, company", table.column),
        };
        let others = (0..OTHERS).map(|number| table.other.replace('#', &number.to_string()));
        let rows = table.rows.iter().map(|row| (*row).to_owned()).chain(others);
        let rows = rows.zip(1..);
        let rows: Vec<String> = rows
            .map(|(row, n)| format!("({row}, 'Company {n}')"))
            .collect();
        let (name, rows) = (table.name, rows.join(", "));
        world.execute(&[&format!("INSERT INTO crm.{name} ({columns}) VALUES {rows}")]);
    }
    world.wait_for_status("all tables", |status| {
        let routes = status.routes.iter();
        let ours = routes.filter(|route| route.totals.delivered() == ALL);
        ours.count() == TABLES.len()
    });
    let (code, counts) = reconcile(&world, &[]);
    assert_eq!((code, counts), (0, vec![[0, 0, 0, ALL]; 4]));

    let administrator = world.org.administrator();
    for table in &TABLES {
        // In the middle of the table, and at its end.
        for id in [table.ids[2], table.ids[ROWS - 1]] {
            administrator.delete(&lead(&world, table, id)).unwrap();
        }
        let changed = json!({ "Company": "Somebody else" });
        let changed = changed.as_object().unwrap();
        administrator
            .change(&lead(&world, table, table.ids[3]), changed)
            .unwrap();
    }
    let (code, counts) = reconcile(&world, &["--repair", "different"]);
    assert_eq!((code, counts), (FAILURE, vec![[2, 1, 0, ALL - 3]; 4]));
    let (code, counts) = reconcile(&world, &[]);
    assert_eq!((code, counts), (0, vec![[0, 0, 0, ALL]; 4]));

    for table in &TABLES {
        let (name, column) = (table.name, table.column);
        let company = format!("DELETE FROM crm.{name} WHERE company = 'Company 1'");
        world.execute(&[&company]);
        // What only differs in case is the same row to the collation, and the same record there.
        if name == "by_text" {
            world.execute(&[&format!(
                "UPDATE crm.{name} SET {column} = 'BERT' WHERE {column} = 'bert'"
            )]);
        }
    }
    let (code, counts) = reconcile(&world, &[]);
    assert_eq!((code, counts), (FAILURE, vec![[0, 0, 1, ALL - 1]; 4]));
    let status = world.wait_caught_up();
    assert!(
        status.routes.iter().all(|route| route.balances),
        "{status:#?}"
    );
    assert!(world.stop().success());
}
