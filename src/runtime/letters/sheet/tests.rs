//! Sheets out and back.

use super::*;

const PAYLOAD: &str = r#"{"Company":"=1+1","Fax":null,"LastName":"Do\"e, J","Note":"a\nb","Phone":"+44 20","Revenue":12.50,"Split":"x;=1+1;'y;z","Tip":"'quoted","Yes":true}"#;

fn sheet(with_mark: bool) -> String {
    let line = |number: u64, payload: &str| Line {
        fixed: [
            number.to_string(),
            "leads".into(),
            format!("-{number}"),
            "data".into(),
            "CODE".into(),
            "@what".into(),
            "1".into(),
        ],
        fields: cells(payload),
    };
    let mut text = Vec::new();
    let lines = [line(7, PAYLOAD), line(9, r#"{"City":"Bonn"}"#)];
    write(&lines, with_mark, &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_sheet_comes_back_as_it_went_and_holds_no_formula() {
    for with_mark in [false, true] {
        let text = sheet(with_mark);
        assert_eq!(text.starts_with(BYTE_ORDER_MARK), with_mark);
        let mut plain = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        let header = plain.headers().unwrap().clone();
        let fields = [
            "City", "Company", "Fax", "LastName", "Note", "Phone", "Revenue", "Split", "Tip", "Yes",
        ];
        assert_eq!(
            header.iter().collect::<Vec<_>>(),
            [&FIXED[..], &fields[..]].concat()
        );
        for record in plain.records() {
            for cell in &record.unwrap() {
                for part in cell.split([';', '\t']) {
                    assert!(!part.starts_with(['=', '+', '-', '@']), "{cell}");
                }
            }
        }
        let rows = read(&text).unwrap();
        assert_eq!((rows[0].letter, rows[1].letter), (7, 9));
        assert_eq!((rows[0].seen, rows[0].cells.get("steps")), (Some(1), None));
        assert_eq!(rows[0].cells["Split"], "x;=1+1;'y;z");
        assert_eq!(rows[0].line, 2);
        assert_eq!(rows[0].cells["Company"], "=1+1");
        assert_eq!(rows[0].cells["Tip"], "'quoted");
        assert_eq!(changes(&rows[0], PAYLOAD, &BTreeMap::new()), []);
        assert_eq!(
            changes(&rows[1], r#"{"City":"Bonn"}"#, &BTreeMap::new()),
            []
        );
    }
}

#[test]
fn changed_cells_alone_become_edits() {
    let mut row = read(&sheet(false)).unwrap().remove(0);
    row.cells.insert("LastName".into(), "Dorn".into());
    row.cells.insert("Phone".into(), String::new());
    row.cells.insert("City".into(), "Bonn".into());
    // As spreadsheets write them.
    row.cells.insert("Yes".into(), "TRUE".into());
    row.cells.insert("Note".into(), "a\r\nb".into());
    let changed = changes(&row, PAYLOAD, &BTreeMap::new());
    let wanted = |field: &str, text: &str| Change {
        field: field.into(),
        value: Some(Wanted::Text(text.into())),
    };
    assert_eq!(
        changed,
        [
            wanted("City", "Bonn"),
            wanted("LastName", "Dorn"),
            wanted("Phone", "")
        ]
    );
}

#[track_caller]
fn check_bad(text: &str, line: u64, part: &str) {
    let bad = read(text).unwrap_err();
    assert_eq!(bad.line, line, "{bad}");
    assert!(bad.text.contains(part), "{bad}");
}

#[test]
fn a_sheet_that_cannot_be_taken_is_refused_with_its_line() {
    check_bad("number,LastName\n7,Doe\n", 1, "column `letter`");
    check_bad("letter,LastName\n7,Doe\nx,Doe\n", 3, "no number");
    check_bad("letter,LastName\n7,Doe\n7,Dorn\n", 3, "line 2 already");
    check_bad("letter,LastName\n7,Doe,Dorn\n", 2, "3 cells");
    check_bad("letter,City,City\n", 1, "twice");
    let semicolons = read("letter;LastName\r\n7;Doe\r\n;\r\n").unwrap();
    assert_eq!(semicolons.len(), 1);
    assert_eq!(semicolons[0].seen, None);
    let bad = read("letter,steps,LastName\n7,many,Doe\n").unwrap_err();
    assert!(bad.text.contains("leave that column"), "{bad}");
    assert_eq!(semicolons[0].cells["LastName"], "Doe");
}

#[test]
fn a_refused_value_is_no_edit_until_another_is_given() {
    let refused = BTreeMap::from([("State".to_owned(), "Bayern".to_owned())]);
    let row = |cell: &str, anyway: bool| Row {
        line: 2,
        letter: 7,
        cells: BTreeMap::from([("State".to_owned(), cell.to_owned())]),
        anyway,
        seen: None,
    };
    let change = |text: &str| Change {
        field: "State".into(),
        value: Some(Wanted::Text(text.into())),
    };
    let changed = |cell, anyway| changes(&row(cell, anyway), "{}", &refused);
    assert_eq!(changed("Bayern", false), []);
    assert_eq!(changed("", false), []);
    assert_eq!(changed("Bavaria", false), [change("Bavaria")]);
    // Who sets a field of a whole group means it.
    assert_eq!(changed("", true), [change("")]);
    assert_eq!(changed("Bayern", true), [change("Bayern")]);
}
