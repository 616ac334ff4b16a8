//! The world that the scripts walk in: an org whose leads have a list of states, and a table with a column for it.

use leadstream::operator::{Role, token_file};
use leadstream::rehearsal::MysqlOptions;
use salesforce_sandbox::{CustomField, FieldType, OrgConfig};

use crate::harness::{Build, World};

/// leadstream is not started.
pub fn crm(build: Build) -> World {
    let mut org = OrgConfig::default();
    org.fields.push(CustomField {
        name: "State__c".into(),
        label: Some("State".into()),
        kind: FieldType::Picklist,
        picklist_values: ["Bavaria", "Hesse", "Saxony"].map(String::from).into(),
        restricted_picklist: true,
        ..CustomField::default()
    });
    let mut world = World::with(build, MysqlOptions::default(), org);
    world.set("batch.max_age", "10ms");
    world.execute(&["ALTER TABLE crm.leads ADD state VARCHAR(20)"]);
    let country = "Country = \"country\"\n";
    world.edit_config(country, &format!("{country}State__c = \"state\"\n"));
    world
}

/// A lead that Salesforce takes, unless it is told otherwise.
#[derive(Clone)]
pub struct Row {
    first_name: String,
    last_name: String,
    email: String,
    state: String,
    plan: String,
}

impl Row {
    pub fn new(first_name: &str) -> Self {
        let letters = first_name.chars().filter(char::is_ascii_alphabetic);
        Self {
            first_name: first_name.to_owned(),
            last_name: "Lovelace".to_owned(),
            email: format!(
                "{}@mail.example",
                letters.collect::<String>().to_lowercase()
            ),
            state: "Hesse".to_owned(),
            plan: "Team".to_owned(),
        }
    }

    pub fn last_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.last_name);
        self
    }

    pub fn email(mut self, email: &str) -> Self {
        email.clone_into(&mut self.email);
        self
    }

    pub fn state(mut self, state: &str) -> Self {
        state.clone_into(&mut self.state);
        self
    }

    pub fn plan(mut self, plan: &str) -> Self {
        plan.clone_into(&mut self.plan);
        self
    }
}

/// Inserts rows with the keys 1, 2, 3 and so on.
pub fn insert(world: &mut World, rows: &[Row]) {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let values = rows.iter().map(|row| {
        let Row {
            first_name,
            last_name,
            email,
            state,
            plan,
        } = row;
        let texts = [first_name, last_name, email, state, plan].map(|text| quoted(text));
        format!("({}, 'Blue Harbour', '+44 20 7946 0000')", texts.join(", "))
    });
    let values: Vec<String> = values.collect();
    let columns = "first_name, last_name, email, state, plan, company, phone";
    let statement = format!(
        "INSERT INTO crm.leads ({columns}) VALUES {}",
        values.join(", ")
    );
    world.execute(&[&statement]);
    world.expect(rows.len() as u64);
}

/// A token for somebody, which leadstream takes once it is started.
pub fn token(world: &mut World, name: &str, role: Role) -> String {
    let file = world.state().with_file_name("tokens");
    world.set("operator.token_file", &file.display().to_string());
    let (token, _) = token_file::add(&file, name, role, None).expect("the file is written");
    token.expose().to_owned()
}
