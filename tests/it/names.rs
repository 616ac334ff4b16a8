//! Servers that write no column names into their binlog (MySQL's MINIMAL, MariaDB's NO_LOG): rows are
//! read by what the table looks like now where that is certain, and never where it is not.

use leadstream::rehearsal::MysqlOptions;
use leadstream::rehearsal::mysql::ServerKind;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use salesforce_sandbox::OrgConfig;

use crate::harness::{Build, World, source};

/// Leads that are told apart by their number.
struct Leads {
    world: World,
    next: u32,
}

impl Leads {
    fn started(extra_args: &[&str]) -> Self {
        let options = MysqlOptions {
            row_metadata_full: false,
            extra_args: extra_args.iter().map(|&text| text.to_owned()).collect(),
            ..MysqlOptions::default()
        };
        let mut world = World::with(Build::Release, options, OrgConfig::default());
        let answer = world.command(&["check"]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.data().contains("warning[LS1018]"), "{answer:?}");
        world.set("batch.max_age", "10ms");
        world.start();
        Self { world, next: 0 }
    }

    /// Without making a table that is not there.
    fn sql(&self, statements: &[String]) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let opts = Opts::from_url(&self.world.mysql.url("root")).unwrap();
            let mut conn = Conn::new(opts).await.expect("the server answers");
            for statement in statements {
                let done = conn.query_drop(statement).await;
                done.unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
            conn.disconnect().await.unwrap();
        });
    }

    fn alter(&self, what: &str) {
        self.sql(&[format!("ALTER TABLE crm.leads {what}")]);
    }

    fn insert(&mut self, count: u32) {
        let numbers = self.next..self.next + count;
        self.next += count;
        let row = |number| {
            format!(
                "INSERT INTO crm.leads (last_name, company, email, phone) VALUES \
                 ('Name {number}', 'Acme', 'p{number}@mail.example', '555 {number}')"
            )
        };
        self.sql(&numbers.map(row).collect::<Vec<_>>());
    }

    /// Waits until all rows are settled.
    fn wait(&mut self) {
        let captured = u64::from(self.next);
        self.world
            .wait_for_status(&format!("{captured} rows"), |status| {
                let route = &status.routes[0];
                route.captured == captured && route.in_flight == 0
            });
    }

    /// Everything arrived, in its own field.
    fn judge(mut self) {
        self.wait();
        assert_eq!(self.world.judge().rows, u64::from(self.next));
        let leads = self.world.org.leads();
        for number in 0..self.next {
            let name = format!("Name {number}");
            let lead = leads.iter().find(|lead| lead.fields["LastName"] == name);
            let lead = lead.unwrap_or_else(|| panic!("{name} is not in Salesforce"));
            assert_eq!(lead.fields["Phone"], format!("555 {number}"), "{name}");
            assert_eq!(
                lead.fields["Email"],
                format!("p{number}@mail.example"),
                "{name}"
            );
        }
    }

    #[track_caller]
    fn stands_with(&mut self, page: &str, words: &[&str]) {
        let status = self.world.wait_for_status(page, |status| {
            let trouble = &status.source.trouble;
            trouble.as_ref().is_some_and(|trouble| trouble.page == page)
        });
        let trouble = status.source.trouble.expect("a reason");
        let whole = format!("{} | {}", trouble.text, trouble.remedy);
        for word in words {
            assert!(whole.contains(word), "{whole:?} does not say {word:?}");
        }
    }
}

/// Moves columns of one type past each other: by their places, values would come into wrong fields.
const REORDER: &str = "MODIFY phone VARCHAR(40) AFTER id";
const REORDER_AGAIN: &str = "MODIFY first_name VARCHAR(40) AFTER plan";

#[test]
fn a_table_altered_while_running_is_followed_by_its_new_names() {
    let mut leads = Leads::started(&[]);
    leads.insert(20);
    leads.wait();
    for what in [
        REORDER,
        REORDER_AGAIN,
        "ADD COLUMN notes VARCHAR(40) AFTER id",
    ] {
        leads.alter(what);
        leads.insert(20);
        leads.wait();
    }
    // A backlog that nothing altered is carried, over a crash and a new file.
    leads.insert(10);
    leads.world.kill();
    leads.insert(20);
    leads.sql(&[
        "FLUSH BINARY LOGS".to_owned(),
        "CREATE TABLE crm.leads_archive LIKE crm.leads".to_owned(),
        "ALTER TABLE crm.leads_archive DROP COLUMN phone".to_owned(),
        "ANALYZE TABLE crm.leads".to_owned(),
    ]);
    leads.insert(20);
    leads.world.start();
    leads.judge();
}

#[test]
fn rows_on_one_side_of_an_alteration_while_stopped_are_carried() {
    let compressed: &[&str] = match source::kind() {
        ServerKind::MySql => &["--binlog-transaction-compression=ON"],
        ServerKind::MariaDb => &["--log-bin-compress=ON", "--log-bin-compress-min-len=10"],
    };
    let mut leads = Leads::started(compressed);
    leads.insert(20);
    leads.wait();
    assert!(leads.world.stop().success());
    leads.alter(REORDER);
    leads.alter(REORDER_AGAIN);
    leads.insert(20);
    leads.world.start();
    leads.judge();
}

#[test]
fn rows_before_an_alteration_while_stopped_are_not_guessed_at() {
    let mut leads = Leads::started(&[]);
    leads.insert(20);
    leads.wait();
    assert!(leads.world.stop().success());
    leads.alter(REORDER);
    leads.insert(20);
    leads.alter(REORDER_AGAIN);
    leads.insert(20);
    leads.world.spawn();
    let words = ["crm.leads", "binlog_row_metadata = FULL", "snapshot"];
    leads.stands_with("LS1017", &words);
    let leads_sent = leads.world.org.leads().len();
    assert_eq!(leads_sent, 20, "nothing that is not certain was sent");
}

#[test]
fn a_renamed_column_pauses_its_route_as_with_names_in_the_binlog() {
    let mut leads = Leads::started(&[]);
    leads.insert(10);
    leads.wait();
    leads.alter("CHANGE country land VARCHAR(80)");
    leads.insert(10);
    let status = leads.world.wait_for_status("parked rows", |status| {
        status.routes[0].captured == 20 && status.routes[0].totals.parked == 10
    });
    let trouble = status.routes[0].trouble.as_ref().expect("a reason");
    assert_eq!(trouble.page, "LS1015", "{trouble:?}");
    assert!(leads.world.stop().success());
    leads
        .world
        .edit_config("Country = \"country\"", "Country = \"land\"");
    leads.world.start();
    leads.judge();
}
