//! What is printed where, byte by byte.

use std::sync::Arc;

use super::*;

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

fn printer(colour: bool, terminal: bool) -> (Printer, Paper, Paper) {
    let (data, people) = (Paper::default(), Paper::default());
    let printer = Printer::to(
        false,
        colour,
        terminal,
        Box::new(data.clone()),
        Box::new(people.clone()),
    );
    (printer, data, people)
}

#[test]
fn data_and_words_for_people_go_apart() {
    let (printer, data, people) = printer(false, false);
    printer.data("42").unwrap();
    printer.json(&["a", "b"]).unwrap();
    printer.note("as of now");
    printer.error(
        Some("LS4004"),
        "batch.max_age: must be a duration",
        Some("write \"1s\""),
    );
    assert_eq!(data.text(), "42\n[\"a\",\"b\"]\n");
    assert_eq!(
        people.text(),
        "as of now\nerror[LS4004]: batch.max_age: must be a duration\n  remedy: write \"1s\"\n"
    );
}

#[test]
fn an_error_is_told_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("open the journal")]
    struct Outer(#[source] io::Error);

    let (printer, _, people) = printer(true, true);
    printer.failure(&Outer(io::Error::other("disk gone")));
    assert_eq!(
        people.text(),
        format!("{RED}error{RESET}: open the journal: disk gone\n")
    );
}

#[test]
fn a_reader_that_went_away_is_success_and_a_full_disk_is_not() {
    let gone = |kind| {
        Printer::to(
            false,
            false,
            false,
            Box::new(Failing(kind)),
            Box::new(Failing(kind)),
        )
    };
    let printer = gone(io::ErrorKind::BrokenPipe);
    assert!(printer.data("x").is_ok());
    assert!(printer.is_closed());
    assert!(printer.data("y").is_ok());
    printer.note("nobody hears this");

    assert!(gone(io::ErrorKind::StorageFull).data("x").is_err());
}

#[test]
fn tables_align_and_numbers_stand_right() {
    let (printer, data, _) = printer(false, false);
    let rows = vec![
        vec!["leads".to_owned(), "1,200".to_owned(), "läuft".to_owned()],
        vec!["a".to_owned(), "7".to_owned()],
    ];
    printer.table(&["route", "sent", "state"], &rows).unwrap();
    assert_eq!(
        data.text(),
        "route   sent  state\nleads  1,200  läuft\na          7\n"
    );
}

#[test]
fn progress_shows_on_terminals_only_and_makes_way() {
    let (quiet, _, people) = printer(false, false);
    quiet.progress("rows", 1, Some(2));
    assert_eq!(people.text(), "");

    let (printer, _, people) = printer(false, true);
    printer.progress("rows", 1, Some(2));
    printer.progress("rows", 2, None);
    printer.note("done");
    assert_eq!(
        people.text(),
        format!("{CLEAR_LINE}rows 1/2 (50 %){CLEAR_LINE}rows 2{CLEAR_LINE}done\n")
    );
}
