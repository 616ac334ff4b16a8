//! Tables that change under the service, while it runs and while it is stopped: what no route names
//! does not matter, a column that vanishes pauses its own route, and nothing is lost either way.
//!
//! Plain SQL, so that every source can be asked the same.

use leadstream::runtime::status::Status;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use salesforce_sandbox::OrgConfig;

use crate::harness::{Build, World};

/// Runs statements one after the other, without making a table that is not there.
fn sql<S: AsRef<str>>(world: &World, statements: &[S]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let opts = Opts::from_url(&world.mysql.url("root")).unwrap();
        let mut conn = Conn::new(opts).await.expect("MySQL answers");
        for statement in statements {
            let statement = statement.as_ref();
            conn.query_drop(statement)
                .await
                .unwrap_or_else(|error| panic!("{statement}: {error}"));
        }
        conn.disconnect().await.unwrap();
    });
}

/// One row, with a value in one more column.
fn row(table: &str, number: u32, column: &str, value: &str) -> String {
    format!(
        "INSERT INTO {table} (last_name, company, email, {column}) \
         VALUES ('Name {number}', 'Acme', 'p{number}@mail.example', '{value}')"
    )
}

/// Leads that are told apart by their number, with a phone number in the column given.
struct Leads {
    next: u32,
}

impl Leads {
    fn insert(&mut self, world: &World, count: u32, phone: &str) {
        let numbers = self.next..self.next + count;
        self.next += count;
        let rows: Vec<String> = numbers
            .map(|number| row("crm.leads", number, phone, &format!("555 {number}")))
            .collect();
        sql(world, &rows);
    }

    /// Waits until all of them are captured and `parked` of them parked, the rest settled.
    #[track_caller]
    fn wait(&self, world: &mut World, parked: u64) -> Status {
        let captured = u64::from(self.next);
        let what = format!("{captured} rows, {parked} of them parked");
        let status = world.wait_for_status(&what, |status| {
            let route = &status.routes[0];
            route.captured == captured && route.in_flight == 0 && route.totals.parked == parked
        });
        assert!(status.routes[0].balances, "{status:?}");
        status
    }

    /// Lets the oracle judge, and looks at every phone number as well.
    #[track_caller]
    fn judge(&self, world: &mut World) -> crate::harness::Judgement {
        self.wait(world, 0);
        let judgement = world.judge();
        assert_eq!(judgement.rows, u64::from(self.next));
        judgement
    }
}

#[track_caller]
fn is_paused(status: &Status, column: &str) {
    let trouble = status.routes[0].trouble.as_ref();
    let trouble = trouble.unwrap_or_else(|| panic!("not paused: {status:?}"));
    assert_eq!(trouble.page, "LS1015");
    assert!(trouble.text.contains(column), "{trouble:?}");
    assert!(
        status.source.connected && !status.source.stopped,
        "{status:?}"
    );
}

fn started() -> (World, Leads) {
    let mut world = World::new(Build::Release);
    world.set("batch.max_age", "10ms");
    world.start();
    (world, Leads { next: 0 })
}

/// Phone numbers in Salesforce by last name.
#[track_caller]
fn phones_are_right(world: &World, numbers: std::ops::Range<u32>) {
    let leads = world.org.leads();
    for number in numbers {
        let name = format!("Name {number}");
        let lead = leads.iter().find(|lead| lead.fields["LastName"] == name);
        let lead = lead.unwrap_or_else(|| panic!("{name} is not in Salesforce"));
        assert_eq!(lead.fields["Phone"], format!("555 {number}"), "{name}");
    }
}

#[test]
fn a_renamed_column_pauses_its_route_until_the_configuration_follows() {
    let (mut world, mut leads) = started();
    leads.insert(&world, 20, "phone");
    leads.wait(&mut world, 0);
    sql(
        &world,
        &["ALTER TABLE crm.leads RENAME COLUMN phone TO phone_no"],
    );
    leads.insert(&world, 30, "phone_no");
    let status = leads.wait(&mut world, 30);
    is_paused(&status, "\"phone\"");
    let remedy = &status.routes[0].trouble.as_ref().unwrap().remedy;
    assert!(remedy.contains("\"phone_no\""), "{remedy}");
    assert_eq!(world.get("/readyz").unwrap().0, 200, "others go on");
    let (_, metrics) = world.get("/metrics").unwrap();
    let gauge = "leadstream_delivery_paused{route=\"leads\"} 1";
    assert!(metrics.contains(gauge), "{metrics}");

    // A crash forgets none of it, and the old configuration still does not fit.
    world.kill();
    leads.insert(&world, 10, "phone_no");
    world.start();
    is_paused(&leads.wait(&mut world, 40), "\"phone\"");
    assert!(world.stop().success());

    world.edit_config("Phone = \"phone\"", "Phone = \"phone_no\"");
    world.start();
    leads.insert(&world, 5, "phone_no");
    let judgement = leads.judge(&mut world);
    assert_eq!(judgement.delivered.len(), 65);
    assert_eq!(judgement.journal.parked_ever, 40);
    for event in ["table_altered", "route_paused"] {
        assert!(
            judgement.journal.events.iter().any(|e| e == event),
            "{event}"
        );
    }
    phones_are_right(&world, 0..65);
}

#[test]
fn columns_that_no_route_names_come_and_go_unnoticed() {
    let (mut world, mut leads) = started();
    let changes = [
        "ALTER TABLE crm.leads ADD COLUMN notes VARCHAR(20) DEFAULT 'x' AFTER id",
        "ALTER TABLE crm.leads RENAME COLUMN notes TO remarks",
        "ALTER TABLE crm.leads MODIFY phone VARCHAR(40) AFTER id, MODIFY score DOUBLE FIRST",
        "ALTER TABLE crm.leads MODIFY remarks INT DEFAULT 7",
        "ALTER TABLE crm.leads DROP COLUMN remarks",
    ];
    // A text that is no number would not turn into one.
    sql(&world, &["SET GLOBAL sql_mode = ''"]);
    for change in changes {
        leads.insert(&world, 5, "phone");
        sql(&world, &[change]);
        leads.insert(&world, 5, "phone");
    }
    leads.wait(&mut world, 0);
    for change in changes {
        assert!(world.stop().success());
        leads.insert(&world, 5, "phone");
        sql(&world, &[change]);
        leads.insert(&world, 5, "phone");
        world.start();
        leads.wait(&mut world, 0);
    }
    let judgement = leads.judge(&mut world);
    assert_eq!((judgement.rows, judgement.journal.parked_ever), (100, 0));
    phones_are_right(&world, 0..100);
}

#[test]
fn a_column_dropped_while_stopped_costs_no_row_that_still_had_it() {
    let (mut world, mut leads) = started();
    leads.insert(&world, 10, "phone");
    leads.wait(&mut world, 0);
    assert!(world.stop().success());
    leads.insert(&world, 10, "phone");
    sql(&world, &["ALTER TABLE crm.leads DROP COLUMN country"]);
    leads.insert(&world, 10, "phone");
    // The mapping names a column that is gone; rows from before are still carried.
    world.start();
    let status = leads.wait(&mut world, 10);
    is_paused(&status, "\"country\"");
    assert_eq!(status.routes[0].totals.delivered(), 20);
    assert!(world.stop().success());
    world.edit_config("Country = \"country\"\n", "");
    world.start();
    let judgement = leads.judge(&mut world);
    assert_eq!(
        (judgement.delivered.len(), judgement.journal.parked_ever),
        (30, 10)
    );
    phones_are_right(&world, 0..30);
}

#[test]
fn a_configuration_that_is_ahead_of_the_backlog_can_be_taken_back() {
    let (mut world, mut leads) = started();
    leads.insert(&world, 10, "phone");
    leads.wait(&mut world, 0);
    assert!(world.stop().success());
    leads.insert(&world, 10, "phone");
    sql(
        &world,
        &["ALTER TABLE crm.leads RENAME COLUMN phone TO phone_no"],
    );
    leads.insert(&world, 10, "phone_no");
    // The rows of before do not fit the new name, those of after wait behind them.
    world.edit_config("Phone = \"phone\"", "Phone = \"phone_no\"");
    world.start();
    is_paused(&leads.wait(&mut world, 20), "\"phone_no\"");
    assert!(world.stop().success());
    // With the old name the former go; the latter were mapped by the new one already.
    world.edit_config("Phone = \"phone_no\"", "Phone = \"phone\"");
    world.start();
    leads.wait(&mut world, 0);
    assert!(world.stop().success());
    world.edit_config("Phone = \"phone\"", "Phone = \"phone_no\"");
    world.start();
    leads.insert(&world, 10, "phone_no");
    let judgement = leads.judge(&mut world);
    assert_eq!(
        (judgement.delivered.len(), judgement.journal.parked_ever),
        (40, 20)
    );
    phones_are_right(&world, 0..40);
}

#[test]
fn a_column_of_another_type_is_read_as_what_it_is() {
    let (mut world, mut leads) = started();
    let insert = |world: &World, leads: &mut Leads, employees: &str| {
        sql(
            world,
            &[row("crm.leads", leads.next, "employees", employees)],
        );
        leads.next += 1;
    };
    // A text that is no number would not turn into one.
    sql(&world, &["SET GLOBAL sql_mode = ''"]);
    insert(&world, &mut leads, "5");
    sql(
        &world,
        &["ALTER TABLE crm.leads MODIFY employees VARCHAR(20)"],
    );
    insert(&world, &mut leads, "6");
    insert(&world, &mut leads, "seven");
    sql(
        &world,
        &["ALTER TABLE crm.leads MODIFY employees DECIMAL(10,1)"],
    );
    insert(&world, &mut leads, "8");
    leads.wait(&mut world, 0);
    assert!(world.stop().success());
    sql(&world, &["ALTER TABLE crm.leads MODIFY employees DATE"]);
    insert(&world, &mut leads, "2020-01-01");
    // A date cannot become a number: row by row, while everything else goes on.
    world.start();
    let status = leads.wait(&mut world, 0);
    assert!(status.routes[0].trouble.is_none(), "{status:?}");
    assert!(world.log().contains("LS5004"), "{}", world.log());
    let judgement = leads.judge(&mut world);
    assert_eq!(judgement.delivered.len(), 3, "{judgement:?}");
    assert_eq!(judgement.dead_letters.len(), 2, "{judgement:?}");
}

#[test]
fn tables_swapped_in_by_schema_change_tools_are_followed() {
    let (mut world, mut leads) = started();
    let create = "CREATE TABLE crm._leads_gho LIKE crm.leads";
    let alter = "ALTER TABLE crm._leads_gho ADD COLUMN extra INT NOT NULL DEFAULT 1 AFTER id";
    let columns = "id, last_name, company, email, phone";
    // gh-ost: a ghost table, filled by copying and from the binlog, then swapped in at once.
    let ghost = |leads: &mut Leads, world: &World| {
        leads.insert(world, 10, "phone");
        sql(world, &[create, alter]);
        sql(
            world,
            &[format!(
                "INSERT IGNORE INTO crm._leads_gho ({columns}) SELECT {columns} FROM crm.leads"
            )],
        );
        leads.insert(world, 5, "phone");
        sql(
            world,
            &[
                format!("REPLACE INTO crm._leads_gho ({columns}) SELECT {columns} FROM crm.leads")
                    .as_str(),
                "RENAME TABLE crm.leads TO crm._leads_del, crm._leads_gho TO crm.leads",
                "DROP TABLE crm._leads_del",
            ],
        );
        leads.insert(world, 10, "phone");
    };
    ghost(&mut leads, &world);
    leads.wait(&mut world, 0);

    // pt-online-schema-change: triggers write into the new table, then both change names.
    leads.insert(&world, 10, "phone");
    sql(
        &world,
        &[
            "CREATE TABLE crm._leads_new LIKE crm.leads",
            "ALTER TABLE crm._leads_new DROP COLUMN extra, ADD COLUMN more TEXT FIRST",
        ],
    );
    let mirrored = "NEW.id, NEW.last_name, NEW.company, NEW.email, NEW.phone";
    sql(
        &world,
        &[
            format!(
                "CREATE TRIGGER crm.pt_osc_ins AFTER INSERT ON crm.leads FOR EACH ROW \
                 REPLACE INTO crm._leads_new ({columns}) VALUES ({mirrored})"
            ),
            format!(
                "INSERT LOW_PRIORITY IGNORE INTO crm._leads_new ({columns}) \
                 SELECT {columns} FROM crm.leads"
            ),
        ],
    );
    leads.insert(&world, 5, "phone");
    sql(
        &world,
        &[
            "RENAME TABLE crm.leads TO crm._leads_old, crm._leads_new TO crm.leads",
            "DROP TRIGGER crm.pt_osc_ins",
            "DROP TABLE crm._leads_old",
        ],
    );
    leads.insert(&world, 10, "phone");
    leads.wait(&mut world, 0);

    // The same swap while nobody reads.
    assert!(world.stop().success());
    ghost(&mut leads, &world);
    world.start();
    let judgement = leads.judge(&mut world);
    assert_eq!(
        (judgement.delivered.len(), judgement.journal.parked_ever),
        (75, 0)
    );
    phones_are_right(&world, 0..75);
}

#[test]
fn a_table_may_be_emptied_renamed_away_and_made_anew() {
    let (mut world, mut leads) = started();
    leads.insert(&world, 10, "phone");
    sql(
        &world,
        &[
            "TRUNCATE TABLE crm.leads",
            "ALTER TABLE crm.leads AUTO_INCREMENT = 100",
        ],
    );
    leads.insert(&world, 10, "phone");
    let away = |world: &World, leads: &mut Leads| {
        sql(world, &["RENAME TABLE crm.leads TO crm.away"]);
        // Rows of a table that no route names.
        sql(world, &[row("crm.away", 9_999, "phone", "none")]);
        sql(world, &["RENAME TABLE crm.away TO crm.leads"]);
        leads.insert(world, 10, "phone");
    };
    away(&world, &mut leads);
    leads.wait(&mut world, 0);
    let anew = [
        "CREATE TABLE crm.copy LIKE crm.leads",
        "DROP TABLE crm.leads",
        "CREATE TABLE crm.leads LIKE crm.copy",
        "DROP TABLE crm.copy",
    ];
    sql(&world, &anew);
    sql(&world, &["ALTER TABLE crm.leads AUTO_INCREMENT = 1000"]);
    leads.insert(&world, 10, "phone");
    leads.wait(&mut world, 0);

    // The same while nobody reads; and a start that finds no table at all.
    assert!(world.stop().success());
    leads.insert(&world, 10, "phone");
    away(&world, &mut leads);
    sql(&world, &["TRUNCATE crm.leads"]);
    sql(&world, &anew);
    sql(&world, &["ALTER TABLE crm.leads AUTO_INCREMENT = 2000"]);
    leads.insert(&world, 10, "phone");
    sql(&world, &["RENAME TABLE crm.leads TO crm.away"]);
    world.start();
    leads.wait(&mut world, 0);
    assert!(world.log().contains("LS1011"), "{}", world.log());
    sql(&world, &["RENAME TABLE crm.away TO crm.leads"]);
    leads.insert(&world, 10, "phone");
    let status = leads.wait(&mut world, 0);
    assert_eq!(status.routes[0].totals.delivered(), u64::from(leads.next));
    assert!(status.routes[0].trouble.is_none(), "{status:?}");
    phones_are_right(&world, 0..leads.next);
    let events = std::fs::read_to_string(world.state().join("journal/00000001.jsonl")).unwrap();
    for what in ["created", "altered", "renamed", "truncated", "dropped"] {
        let text = format!("table crm.leads was {what} just before ");
        assert!(events.contains(&text), "{what}");
    }
    assert!(world.stop().success());
}

#[test]
fn one_route_waits_and_the_other_goes_on() {
    let mut org = OrgConfig::default();
    let ours = org.fields.iter().find(|field| field.name == "MySQL_Id__c");
    let mut second = ours.expect("the demo's external id").clone();
    second.name = "Signup_Id__c".to_owned();
    second.label = None;
    org.fields.push(second);
    let mut world = World::with(Build::Release, Default::default(), org);
    world.set("batch.max_age", "10ms");
    sql(&world, &["CREATE TABLE crm.signups LIKE crm.leads"]);
    let route = "\n[[route]]\nname = \"signups\"\ntable = \"crm.signups\"\n\
                 external_id = { field = \"Signup_Id__c\", column = \"id\" }\n\
                 fields = { LastName = \"last_name\", Company = \"company\" }\n\n[batch]\n";
    world.edit_config("\n[batch]\n", route);
    world.start();
    let mut leads = Leads { next: 0 };
    leads.insert(&world, 5, "phone");
    sql(&world, &["ALTER TABLE crm.leads DROP COLUMN phone"]);
    leads.insert(&world, 20, "country");
    let signups: Vec<String> = (0..20)
        .map(|n| row("crm.signups", n, "phone", "1"))
        .collect();
    sql(&world, &signups);
    is_paused(&leads.wait(&mut world, 20), "\"phone\"");
    let status = world.wait_for_status("the other route", |status| {
        status.routes[1].totals.delivered() == 20
    });
    assert!(
        status.routes[1].trouble.is_none() && status.routes[1].balances,
        "{status:?}"
    );
    // What waits holds up neither the checkpoint nor the binlog's retention.
    let status = world.wait_for_status("the checkpoint to pass them", |status| {
        status.routes.iter().all(|route| route.in_flight == 0)
    });
    assert_eq!(status.routes[0].totals.parked, 20);
    assert!(world.stop().success());
    world.edit_config("Phone = \"phone\"", "Phone = { constant = \"none\" }");
    world.start();
    let status = leads.wait(&mut world, 0);
    assert_eq!(status.routes[0].totals.delivered(), 25);
    assert!(
        status.routes.iter().all(|route| route.balances),
        "{status:?}"
    );
    assert!(world.stop().success());
}

#[test]
fn what_waits_is_bounded_and_then_capture_waits() {
    let mut world = World::new(Build::Release);
    world.set("state.max_parked_bytes", "1MiB");
    world.set("source.window_bytes", "64KiB");
    world.start();
    let mut leads = Leads { next: 0 };
    sql(
        &world,
        &["ALTER TABLE crm.leads RENAME COLUMN phone TO phone_no"],
    );
    let values: Vec<String> = (0..4_000)
        .map(|number| format!("('Name {number}','Acme','p{number}@mail.example','555 {number}')"))
        .collect();
    let rows = |values: &[String]| {
        let head = "INSERT INTO crm.leads (last_name, company, email, phone_no) VALUES";
        format!("{head} {}", values.join(","))
    };
    let statements: Vec<String> = values.chunks(200).map(rows).collect();
    sql(&world, &statements);
    leads.next = 4_000;
    let status = world.wait_for_status("the bound to be reached", |status| {
        status.state.parked_bytes >= 1 << 20 && status.routes[0].in_flight > 0
    });
    assert!(status.routes[0].captured < 4_000, "{status:?}");
    assert!(status.state.parked_bytes < 2 << 20, "{status:?}");
    assert!(status.routes[0].balances, "{status:?}");
    world.kill();
    world.edit_config("Phone = \"phone\"", "Phone = \"phone_no\"");
    world.start();
    assert_eq!(leads.judge(&mut world).delivered.len(), 4_000);
}
