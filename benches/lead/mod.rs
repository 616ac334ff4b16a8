//! What the benches of the core share: the shipped mapping, compiled against the sandbox's own
//! describe, and rows as capture gives them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use leadstream::config::load_from;
use leadstream::core::change::{Change, ChangeId, Operation, RouteId, Transaction};
use leadstream::core::mapping::Plan;
use leadstream::core::schema::{Column, ColumnDefault, ColumnKind, TableName, TableSchema};
use leadstream::core::time::Micros;
use leadstream::core::value::{Date, Value};
use leadstream::delivery::Org;
use leadstream::runtime::wiring;
use salesforce_sandbox::{OrgConfig, Sandbox};

pub const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
pub const NOON: Micros = Micros(1_790_000_000_000_000);

/// The route of config/leadstream.toml.
pub fn plan() -> Plan {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let sandbox = Sandbox::start(anywhere, OrgConfig::default()).unwrap();
    let environment = [
        ("LEADSTREAM_SALESFORCE__LOGIN_URL", sandbox.base_url()),
        (
            "LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET",
            "leadstream-demo-secret".to_owned(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value));
    let text = include_str!("../../config/leadstream.toml");
    let file = Some((Path::new("leadstream.toml"), text));
    let config = load_from(file, &environment, &[], &|path| {
        std::fs::read_to_string(path)
    })
    .unwrap();
    let org = Org::new(wiring::org_settings(&config), || NOON).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let object = runtime.block_on(org.describe("Lead")).unwrap();
    let objects = [("Lead".to_owned(), object)].into();
    let plans = wiring::compile_plans(&wiring::mapping_specs(&config), &[table()], &objects);
    Arc::unwrap_or_clone(plans.unwrap().remove(0))
}

fn name() -> TableName {
    TableName {
        schema: "crm".to_owned(),
        table: "leads".to_owned(),
    }
}

/// The demo's table.
fn table() -> TableSchema {
    let integer = |bytes, unsigned| ColumnKind::Integer { bytes, unsigned };
    let text = |max_chars| ColumnKind::Text { max_chars };
    let decimal = ColumnKind::Decimal {
        precision: 18,
        scale: 2,
    };
    let columns = [
        ("id", integer(8, true)),
        ("first_name", text(40)),
        ("last_name", text(80)),
        ("company", text(255)),
        ("email", text(120)),
        ("phone", text(40)),
        ("country", text(80)),
        ("employees", integer(4, true)),
        ("annual_revenue", decimal),
        ("newsletter", integer(1, false)),
        ("score", ColumnKind::Double),
        ("plan", text(20)),
        ("birthday", ColumnKind::Date),
        ("signed_up_at", ColumnKind::Timestamp),
    ];
    TableSchema {
        name: name(),
        columns: columns
            .map(|(name, kind)| Column {
                name: name.to_owned(),
                kind,
                nullable: name != "id",
                primary_key: name == "id",
                default: ColumnDefault::Null,
            })
            .into(),
    }
}

/// Rows of one table, each a transaction of its own.
pub struct Rows {
    table: Arc<TableName>,
    columns: Vec<String>,
}

impl Rows {
    pub fn new(plan: &Plan) -> Self {
        Self {
            table: Arc::new(name()),
            columns: plan.columns.clone(),
        }
    }

    pub fn row(&self, number: u64) -> Change {
        let id = format!("{UUID}:{number}").parse().unwrap();
        Change {
            id: ChangeId {
                transaction: Arc::new(Transaction {
                    id,
                    committed_at: NOON,
                }),
                table: Arc::clone(&self.table),
                row: 0,
                route: RouteId(0),
            },
            last_of_row: true,
            operation: Operation::Insert,
            values: self
                .columns
                .iter()
                .map(|column| Some(value(column, number)))
                .collect(),
            captured_at: NOON,
        }
    }
}

fn value(column: &str, number: u64) -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    match column {
        "id" => Value::UInt(number),
        "first_name" => text("Chloé"),
        "last_name" => text("Castellanos"),
        "company" => text("Blue Harbour Logistics"),
        "email" => Value::Text(format!("person{number}@mail.example")),
        "phone" => Value::Text(format!("+00 555 {:07}", number % 10_000_000)),
        "country" => text("Germany"),
        "employees" => Value::UInt(number % 5_000 + 1),
        "annual_revenue" => Value::Decimal(format!("{}.00", number % 90_000_000)),
        "newsletter" => Value::Int(1),
        "score" => Value::Double(73.5),
        "plan" => text("Business"),
        "birthday" => Value::Date(Date {
            year: 1984,
            month: 2,
            day: 29,
        }),
        "signed_up_at" => Value::Timestamp(NOON.0),
        other => panic!("the mapping reads {other}, which this row does not have"),
    }
}
