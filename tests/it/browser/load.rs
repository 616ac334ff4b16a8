//! The console with much behind it and much going on: it stays small and quick. Figures are printed; times are judged in
//! a soak alone, on a machine that does nothing else.

use leadstream::operator::Role;
use serde_json::Value;

use super::crm::token;
use super::ledger;
use super::script::Script;
use crate::harness::{Build, World};

const MAX_FIRST_PAGE_BYTES: u64 = 150 * 1024;
const MAX_MS: f64 = 100.0;
/// At full speed a release build is done with fewer before a browser has asked twice.
const BACKLOG: usize = 50_000;
const SOAK_BACKLOG: usize = 1_000_000;

fn is_soak() -> bool {
    std::env::var_os("LEADSTREAM_SOAK").is_some()
}

#[test]
fn the_first_page_is_small_and_quick_however_much_there_is() {
    let (leads, letters) = if is_soak() {
        (2_700_000, 10_000)
    } else {
        (20_000, 1_000)
    };
    let mut world = World::new(Build::Release);
    let token = token(&mut world, "morgan", Role::Operator);
    ledger::write(&world.state(), leads, letters);
    world.start();
    let told = Script::new("first_page", &world).with("token", token).run();
    println!("the first page with {letters} dead letters and {leads} leads: {told}");
    let bytes = told["transferred"].as_u64().unwrap();
    assert!(bytes > 5_000 && bytes <= MAX_FIRST_PAGE_BYTES, "{told}");
    if is_soak() {
        assert!(
            told["server_ms"]["worst"].as_f64().unwrap() <= MAX_MS,
            "{told}"
        );
    }
}

#[test]
fn answers_come_while_the_pipeline_catches_up() {
    let mut world = World::new(Build::Release);
    let token = token(&mut world, "morgan", Role::Viewer);
    let backlog = if is_soak() {
        SOAK_BACKLOG
    } else {
        // 4,000 records a second: the same work, spread over a dozen seconds.
        world.set("pace.requests_per_second", "20");
        world.set("pace.bulk_from", "off");
        BACKLOG
    };
    world.start();
    assert!(world.stop().success());
    world.insert(backlog, 1_000);
    world.start();
    let told = Script::new("under_load", &world)
        .with("token", token)
        .with("rows", backlog)
        .run();
    println!("answers while {backlog} rows catch up, in ms: {told}");
    let figure = |path: &str, name: &str| -> f64 {
        let found = told[path].get(name).and_then(Value::as_f64);
        found.unwrap_or_else(|| panic!("{path} {name}: {told}"))
    };
    for path in ["/", "/api/v1/status"] {
        assert!(figure(path, "answers") >= 10.0, "there was no load: {told}");
        if is_soak() {
            assert!(figure(path, "p99") <= MAX_MS, "{told}");
        }
    }
    world.wait_settled();
}
