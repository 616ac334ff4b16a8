//! The generator: from a seed, what a busy database sees in a day. Pure; knows no server.

use leadstream::rehearsal::leads::People;

/// What happens next.
#[derive(Debug)]
pub enum Step {
    /// In one session, one after the other.
    Statements(Vec<String>),
    StopLeadstream,
    KillLeadstream,
    /// What happens while it is down.
    KillLeadstreamAndLeaveItDown(Vec<String>),
    RestartMysql,
    KillMysql,
    /// To the replica, once it has everything; the last primary is killed, or led away from.
    FailOver {
        kill: bool,
    },
}

const COLUMNS: &str = "id, first_name, last_name, company, email, phone, country, employees, \
    annual_revenue, newsletter, score, plan, birthday";

/// Sessions between two upheavals, on average.
const CALM: u64 = 70;

pub struct Script {
    random: People,
    /// People who fill the form in.
    people: People,
    left: usize,
    next_id: u64,
    /// Columns that were added and not dropped again.
    extra: Vec<u64>,
    next_extra: u64,
    /// Number for names: savepoints, XA transactions, other tables.
    next_name: u64,
}

impl Script {
    pub fn new(seed: u64, statements: usize) -> Self {
        Self {
            random: People::new(seed, 0),
            people: People::new(seed ^ 0x5EED, 40),
            left: statements,
            next_id: 1,
            extra: Vec::new(),
            next_extra: 0,
            next_name: 0,
        }
    }

    pub fn next(&mut self) -> Option<Step> {
        if self.left == 0 {
            return None;
        }
        if self.random.below(CALM) == 0 {
            return Some(match self.random.below(8) {
                0 => Step::StopLeadstream,
                1 | 2 => Step::KillLeadstream,
                3 => {
                    let sessions = 1 + self.random.below(5);
                    let statements = (0..sessions).flat_map(|_| self.session()).collect();
                    Step::KillLeadstreamAndLeaveItDown(statements)
                }
                4 => Step::RestartMysql,
                5 => Step::KillMysql,
                6 => Step::FailOver { kill: false },
                _ => Step::FailOver { kill: true },
            });
        }
        Some(Step::Statements(self.session()))
    }

    /// The statements of one session.
    fn session(&mut self) -> Vec<String> {
        let mut statements = Vec::new();
        if self.random.below(8) == 0 {
            statements.push(self.session_setting().to_owned());
        }
        match self.random.below(20) {
            0 => statements.push(self.ddl()),
            1 => statements.extend(self.swap()),
            2 => statements.extend(self.xa()),
            3 => statements.push("FLUSH BINARY LOGS".to_owned()),
            4..=8 => (0..=self.random.below(10)).for_each(|_| {
                let statement = self.write();
                statements.push(statement);
            }),
            _ => statements.extend(self.transaction()),
        }
        self.left = self.left.saturating_sub(statements.len());
        statements
    }

    fn session_setting(&mut self) -> &'static str {
        match self.random.below(3) {
            0 => "SET SESSION binlog_row_image = 'FULL'",
            1 => "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            _ => "SET SESSION binlog_transaction_compression = ON",
        }
    }

    fn transaction(&mut self) -> Vec<String> {
        let mut statements = vec!["START TRANSACTION".to_owned()];
        for _ in 0..=self.random.below(12) {
            let statement = self.write();
            match self.random.below(8) {
                0 => {
                    let name = self.name();
                    statements.push(format!("SAVEPOINT s{name}"));
                    statements.push(statement);
                    if self.random.below(2) == 0 {
                        statements.push(format!("ROLLBACK TO SAVEPOINT s{name}"));
                    } else {
                        statements.push(format!("RELEASE SAVEPOINT s{name}"));
                    }
                }
                _ => statements.push(statement),
            }
        }
        statements.push(
            match self.random.below(6) {
                0 => "ROLLBACK",
                // The session ends with it open: the server rolls it back.
                1 => "DO 1",
                _ => "COMMIT",
            }
            .to_owned(),
        );
        statements
    }

    /// A statement that changes rows, of the routed table or of another.
    fn write(&mut self) -> String {
        let below = 1 + self.random.below(self.next_id);
        match self.random.below(16) {
            0..=6 => {
                let rows = 1 + self.random.below(8);
                self.insert("INSERT", rows)
            }
            7 => {
                let rows = 1 + self.random.below(300);
                self.insert("INSERT", rows)
            }
            8 => self.insert("REPLACE", 2),
            // Its key is new, so it inserts; the clause is there all the same.
            9 => self.insert("INSERT", 3) + " ON DUPLICATE KEY UPDATE country = VALUES(country)",
            // Its key is an old one, if that row is still there: an update.
            10 => format!(
                "INSERT INTO crm.leads (id, last_name, email) SELECT id, last_name, email \
                 FROM crm.leads WHERE id < {below} ORDER BY id DESC LIMIT 2 \
                 ON DUPLICATE KEY UPDATE phone = CONCAT('+', MOD(crm.leads.id, 97))"
            ),
            11 => self.insert_select(),
            12 | 13 => format!(
                "UPDATE crm.leads SET score = score + 1, country = 'Japan' WHERE id < {below} \
                 ORDER BY id DESC LIMIT {}",
                1 + self.random.below(20)
            ),
            14 => format!(
                "DELETE FROM crm.leads WHERE id < {below} ORDER BY id DESC LIMIT {}",
                1 + self.random.below(5)
            ),
            _ => format!(
                "INSERT INTO crm.orders (note) VALUES ('leads {below}'), (REPEAT('x', {}))",
                self.random.below(20_000)
            ),
        }
    }

    fn insert(&mut self, verb: &str, rows: u64) -> String {
        let rows: Vec<String> = (0..rows)
            .map(|_| {
                let id = self.next_id;
                self.next_id += 1;
                let values = self.people.next_lead().values();
                format!("({id}, {}", &values[1..])
            })
            .collect();
        format!(
            "{verb} INTO crm.leads ({COLUMNS}) VALUES {}",
            rows.join(",")
        )
    }

    /// Copies of rows that are there, under new keys.
    fn insert_select(&mut self) -> String {
        let rows = 1 + self.random.below(50);
        let first = self.next_id;
        self.next_id += rows;
        // Each source row makes at most one; which there are is the server's to know.
        format!(
            "INSERT INTO crm.leads (id, last_name, company, email) SELECT {first} + n.number, \
             'Copy', 'Copies', CONCAT('copy.', {first} + n.number, '@example.com') \
             FROM (SELECT ROW_NUMBER() OVER (ORDER BY id) - 1 AS number FROM crm.leads \
             ORDER BY id LIMIT {rows}) AS n"
        )
    }

    fn ddl(&mut self) -> String {
        match self.random.below(9) {
            0 | 1 => {
                let column = self.next_extra;
                self.next_extra += 1;
                self.extra.push(column);
                let kind = ["INT", "VARCHAR(30) DEFAULT 'x'", "DATETIME(3)", "BLOB"]
                    [usize::try_from(self.random.below(4)).unwrap()];
                let place =
                    ["", " FIRST", " AFTER email"][usize::try_from(self.random.below(3)).unwrap()];
                format!("ALTER TABLE crm.leads ADD COLUMN extra{column} {kind}{place}")
            }
            2 if !self.extra.is_empty() => {
                let place = self.random.below(self.extra.len() as u64);
                let column = self.extra.swap_remove(usize::try_from(place).unwrap());
                format!("ALTER TABLE crm.leads DROP COLUMN extra{column}")
            }
            3 => format!(
                "ALTER TABLE crm.leads MODIFY phone VARCHAR({}) AFTER {}",
                40 + self.random.below(60),
                ["last_name", "email", "birthday"][usize::try_from(self.random.below(3)).unwrap()]
            ),
            4 => "ALTER TABLE crm.leads ENGINE = InnoDB".to_owned(),
            5 => "ANALYZE TABLE crm.leads".to_owned(),
            6 => "TRUNCATE TABLE crm.orders".to_owned(),
            7 => {
                let name = self.name();
                format!("CREATE TABLE crm.other{name} AS SELECT id, email FROM crm.leads LIMIT 3")
            }
            _ => "ALTER TABLE crm.orders COMMENT = 'leads'".to_owned(),
        }
    }

    /// The table away and back, with writes to its other name in between: they are not routed, and
    /// must not reach the note either, so they are updates.
    fn swap(&mut self) -> Vec<String> {
        vec![
            "RENAME TABLE crm.leads TO crm.leads_away".to_owned(),
            "UPDATE crm.leads_away SET score = 7 ORDER BY id DESC LIMIT 3".to_owned(),
            "RENAME TABLE crm.leads_away TO crm.leads".to_owned(),
            self.insert("INSERT", 2),
        ]
    }

    fn xa(&mut self) -> Vec<String> {
        let name = self.name();
        let mut statements = vec![format!("XA START 'x{name}'")];
        for _ in 0..=self.random.below(4) {
            let rows = 1 + self.random.below(5);
            statements.push(self.insert("INSERT", rows));
        }
        statements.push(format!("XA END 'x{name}'"));
        if self.random.below(3) == 0 {
            statements.push(format!("XA COMMIT 'x{name}' ONE PHASE"));
            return statements;
        }
        statements.push(format!("XA PREPARE 'x{name}'"));
        let end = if self.random.below(3) == 0 {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        statements.push(format!("XA {end} 'x{name}'"));
        statements
    }

    fn name(&mut self) -> u64 {
        self.next_name += 1;
        self.next_name
    }
}
