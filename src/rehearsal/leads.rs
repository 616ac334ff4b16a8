//! Invented people who fill in a form: the demo's and the tests' leads, some of them invalid, in
//! bursts. The same seed gives the same people.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

/// The demo's table, as config/leadstream.toml maps it.
pub const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS crm.leads (
    id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
    first_name VARCHAR(40), last_name VARCHAR(80), company VARCHAR(255), email VARCHAR(120),
    phone VARCHAR(40), country VARCHAR(80), employees INT UNSIGNED, annual_revenue DECIMAL(18,2),
    newsletter TINYINT(1), score DOUBLE, plan VARCHAR(20), birthday DATE,
    signed_up_at TIMESTAMP(6) NULL DEFAULT CURRENT_TIMESTAMP(6)) CHARACTER SET utf8mb4";

const INSERT: &str = "INSERT INTO crm.leads (first_name, last_name, company, email, phone, country, \
    employees, annual_revenue, newsletter, score, plan, birthday) VALUES";

const FIRST: &[&str] = &[
    "Ada", "Björn", "Chloé", "Dmitri", "Élodie", "Fatou", "Grzegorz", "Hana", "Ioana", "João",
    "Kenji", "Lucía", "Mehmet", "Nia", "Oisín", "Priya", "Quentin", "Rania", "Søren", "Thuý",
];
const LAST: &[&str] = &[
    "Abara",
    "Brandt",
    "Castellanos",
    "Dvořák",
    "Eriksen",
    "Fontaine",
    "García",
    "Hoffmann",
    "Ishikawa",
    "Jankowski",
    "Kowalczyk",
    "Lindqvist",
    "Moreau",
    "Nakamura",
    "O'Brien",
    "Pérez",
    "Quispe",
    "Rossi",
    "Schröder",
    "Tanaka",
];
const COMPANY: &[&str] = &[
    "Blue Harbour Logistics",
    "Cobalt & Sons",
    "Drift Analytics",
    "Evergreen Dental",
    "Foxglove Studio",
    "Granite Works",
    "Halcyon Travel",
    "Ironbridge Tools",
    "Juniper Foods",
    "Kestrel Robotics",
];
const COUNTRY: &[&str] = &[
    "Germany", "France", "Spain", "Poland", "Japan", "Brazil", "Kenya", "India", "Ireland",
];
const PLAN: &[&str] = &["Free", "Team", "Business", "Enterprise"];

/// One row of `crm.leads`, `id` apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    pub first_name: String,
    /// `None`: Salesforce requires it, so the lead must be set aside.
    pub last_name: Option<String>,
    pub company: Option<String>,
    pub email: String,
    pub phone: String,
    pub country: String,
    pub employees: u32,
    pub annual_revenue: String,
    pub newsletter: bool,
    pub score: f64,
    pub plan: String,
    pub birthday: String,
    /// Whether leadstream or Salesforce must refuse it.
    pub valid: bool,
}

/// A stream of people.
#[derive(Clone, Debug)]
pub struct People {
    state: u64,
    /// One in so many is invalid; 0 for never.
    invalid_one_in: u64,
    count: u64,
}

impl People {
    #[must_use]
    pub fn new(seed: u64, invalid_one_in: u64) -> Self {
        Self {
            state: seed | 1,
            invalid_one_in,
            count: 0,
        }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        if bound == 0 {
            0
        } else {
            self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
        }
    }

    fn pick<'p>(&mut self, from: &[&'p str]) -> &'p str {
        let index = self.below(from.len() as u64);
        from[usize::try_from(index).unwrap_or(0)]
    }

    /// The next person.
    pub fn next_lead(&mut self) -> Lead {
        self.count += 1;
        let (first, last) = (self.pick(FIRST), self.pick(LAST));
        let number = self.count;
        let mut lead = Lead {
            first_name: first.to_owned(),
            last_name: Some(last.to_owned()),
            company: (self.below(20) > 0).then(|| self.pick(COMPANY).to_owned()),
            email: format!(
                "person{number}@{}.example",
                self.pick(&["mail", "post", "web"])
            ),
            phone: format!("+00 555 {:07}", self.below(10_000_000)),
            country: self.pick(COUNTRY).to_owned(),
            employees: u32::try_from(self.below(5_000) + 1).unwrap_or(1),
            annual_revenue: format!("{}.00", self.below(90_000_000)),
            newsletter: self.below(2) == 0,
            score: self.below(1_000) as f64 / 10.0,
            plan: self.pick(PLAN).to_owned(),
            birthday: format!(
                "{}-{:02}-{:02}",
                1950 + self.below(55),
                1 + self.below(12),
                1 + self.below(28)
            ),
            valid: true,
        };
        if self.invalid_one_in > 0 && self.below(self.invalid_one_in) == 0 {
            lead.valid = false;
            match self.below(4) {
                0 => lead.last_name = None,
                1 => lead.email = format!("person{number} at mail.example"),
                2 => lead.plan = "Platinum".to_owned(),
                // The column takes nine digits, Salesforce's field eight.
                _ => lead.employees = 123_456_789,
            }
        }
        lead
    }
}

impl Lead {
    /// The row as a list of SQL literals, `id` apart, for one multi-row INSERT.
    #[must_use]
    pub fn values(&self) -> String {
        let text = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
        let optional = |value: &Option<String>| value.as_deref().map_or("NULL".to_owned(), text);
        format!(
            "({},{},{},{},{},{},{},{},{},{},{},{})",
            text(&self.first_name),
            optional(&self.last_name),
            optional(&self.company),
            text(&self.email),
            text(&self.phone),
            text(&self.country),
            self.employees,
            self.annual_revenue,
            u8::from(self.newsletter),
            self.score,
            text(&self.plan),
            text(&self.birthday),
        )
    }
}

/// A connection that fills the table.
pub struct Form {
    connection: Conn,
}

impl Form {
    /// Connects, and makes the database and the table if they are not there.
    ///
    /// # Errors
    /// What MySQL answers.
    pub async fn open(url: &str) -> Result<Self, mysql_async::Error> {
        let mut connection = Conn::new(Opts::from_url(url)?).await?;
        connection
            .query_drop("CREATE DATABASE IF NOT EXISTS crm")
            .await?;
        connection.query_drop(CREATE_TABLE).await?;
        Ok(Self { connection })
    }

    /// Inserts leads in one statement, one transaction; gives the first id.
    ///
    /// # Errors
    /// What MySQL answers.
    pub async fn submit(&mut self, leads: &[Lead]) -> Result<u64, mysql_async::Error> {
        if leads.is_empty() {
            return Ok(0);
        }
        let rows: Vec<String> = leads.iter().map(Lead::values).collect();
        let sql = format!("{INSERT} {}", rows.join(","));
        self.connection.query_drop(sql).await?;
        Ok(self.connection.last_insert_id().unwrap_or(0))
    }

    /// Inserts leads in one round trip, each in a transaction of its own.
    ///
    /// # Errors
    /// What MySQL answers; leads before the one that it refuses are in the table.
    pub async fn submit_one_by_one(&mut self, leads: &[Lead]) -> Result<(), mysql_async::Error> {
        let statements: Vec<String> = leads
            .iter()
            .map(|lead| format!("{INSERT} {}", lead.values()))
            .collect();
        self.connection.query_drop(statements.join(";")).await
    }

    /// Rows in the table.
    ///
    /// # Errors
    /// What MySQL answers.
    pub async fn count(&mut self) -> Result<u64, mysql_async::Error> {
        Ok(self
            .connection
            .query_first("SELECT COUNT(*) FROM crm.leads")
            .await?
            .unwrap_or(0))
    }

    /// Runs any statement: for tests that need another table.
    ///
    /// # Errors
    /// What MySQL answers.
    pub async fn execute(&mut self, sql: &str) -> Result<(), mysql_async::Error> {
        self.connection.query_drop(sql).await
    }

    /// The first column of every row of a query, as text.
    ///
    /// # Errors
    /// What MySQL answers.
    pub async fn texts(&mut self, sql: &str) -> Result<Vec<String>, mysql_async::Error> {
        self.connection.query(sql).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people_and_some_are_invalid() {
        let people = |seed| -> Vec<Lead> {
            let mut people = People::new(seed, 10);
            (0..200).map(|_| people.next_lead()).collect()
        };
        assert_eq!(people(1), people(1));
        assert_ne!(people(1), people(2));
        let invalid = people(1).iter().filter(|lead| !lead.valid).count();
        assert!((5..50).contains(&invalid), "{invalid} of 200 are invalid");
    }
}
