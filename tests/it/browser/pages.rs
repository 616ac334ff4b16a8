//! Every page, with values in it that would like to be more than text.

use leadstream::operator::Role;

use super::crm::{Row, crm, insert, token};
use super::script::{Script, screenshots};
use crate::harness::{Build, World};

const IMAGE: &str = "<img src=x onerror=alert(1)>";
const SCRIPT: &str = "\"><script>alert(2)</script>";

/// A world with leads that arrived, and some that wait for three causes; scripts stand in their names and values.
fn world() -> (World, String) {
    let mut world = crm(Build::Failpoints);
    let token = token(&mut world, "morgan", Role::Operator);
    world.start();
    let row = |first: &str, last: &str| Row::new(first).last_name(last);
    let mut rows = vec![
        row(SCRIPT, IMAGE),
        row(IMAGE, SCRIPT).state("Bayern"),
        row(SCRIPT, IMAGE).state("<b>Hessen</b>"),
        row(IMAGE, SCRIPT).plan("<i>Gold</i>"),
        row(SCRIPT, IMAGE).email(IMAGE),
    ];
    rows.extend(["Lucía", "Mehmet", "Nia"].map(Row::new));
    insert(&mut world, &rows);
    world.wait_settled();
    (world, token)
}

#[test]
fn every_page_fits_keeps_nobody_out_and_shows_values_as_text() {
    let (world, token) = world();
    let script = Script::new("pages", &world)
        .with("token", token)
        .with("hostile", vec![IMAGE, SCRIPT])
        .with("start", vec!["/", "/find?q=2"]);
    let told = script.run();
    println!("screenshots: {}", screenshots().display());
    let list = |name: &str| -> Vec<String> {
        serde_json::from_value(told[name].clone()).expect("a list of pages")
    };
    let pages = list("pages");
    for expected in PAGES {
        assert!(
            pages.iter().any(|page| page == expected),
            "{expected}: {pages:?}"
        );
    }
    // They were really there to be run.
    let shown = list("shownOn");
    for expected in ["/attention/group", "/attention/letter/N", "/find q"] {
        assert!(
            shown.iter().any(|page| page == expected),
            "{expected}: {shown:?}"
        );
    }
}

#[test]
fn everything_is_reached_and_done_without_a_mouse() {
    let (world, token) = world();
    let script = Script::new("keyboard", &world).with("token", token).with(
        "pages",
        vec!["/", "/find?q=1", "/attention", "/attention/letter/1"],
    );
    let told = script.run();
    assert!(told["reached"].as_u64().unwrap() > 60, "{told}");
}

/// What the navigation leads to, and what lies behind it.
const PAGES: [&str; 14] = [
    "/",
    "/find",
    "/find q",
    "/attention",
    "/attention/group",
    "/attention/letter/N",
    "/attention/mend",
    "/attention/all act=resend",
    "/attention/all act=discard",
    "/routes",
    "/routes/NAME",
    "/snapshot",
    "/report",
    "/activity",
];
