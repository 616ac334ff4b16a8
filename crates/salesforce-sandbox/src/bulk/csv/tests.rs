//! The reader of uploads: what is a row, what spoils one, and where it stands.
use super::*;
use crate::bulk::dialect::{Delimiter, Dialect, LineEnding};

const COMMA_LF: Dialect = Dialect {
    delimiter: Delimiter::Comma,
    ending: LineEnding::Lf,
};

/// The cells of a row and its flaw.
type Read = (Vec<String>, Option<Flaw>);

/// All rows, and whether a line ended otherwise than it should.
fn rows(data: &[u8], dialect: Dialect) -> (Vec<Read>, bool) {
    let mut reader = Reader::new(data, 0, dialect);
    let mut row = Row::default();
    let mut found = Vec::new();
    while reader.read(&mut row) {
        let cells = row.cells.iter().map(|c| c.text(data).into_owned());
        found.push((cells.collect(), row.flaw));
    }
    assert_eq!(reader.position(), data.len());
    (found, reader.saw_wrong_ending())
}

#[track_caller]
fn check(text: &str, expected: &[(&[&str], Option<Flaw>)]) {
    let expected: Vec<Read> = expected
        .iter()
        .map(|(cells, flaw)| (cells.iter().map(|c| (*c).to_owned()).collect(), *flaw))
        .collect();
    assert_eq!(rows(text.as_bytes(), COMMA_LF).0, expected, "{text:?}");
}

#[test]
fn cells_are_split_unquoted_and_never_trimmed() {
    check("a,b\n", &[(&["a", "b"], None)]);
    check("a,b", &[(&["a", "b"], None)]);
    check("a, b,\n", &[(&["a", " b", ""], None)]);
    check(",", &[(&["", ""], None)]);
    check(
        "\"a,1\",\"x\ny\",\"say \"\"hi\"\"\"\nb,c,d\n",
        &[
            (&["a,1", "x\ny", "say \"hi\""], None),
            (&["b", "c", "d"], None),
        ],
    );
    check("\"\",\"\"\"\"", &[(&["", "\""], None)]);
}

#[test]
fn blank_lines_are_no_rows_but_an_empty_quoted_cell_is_one() {
    check(
        "\n\na\n\n\"\"\nb\n\n",
        &[(&["a"], None), (&[""], None), (&["b"], None)],
    );
    check("", &[]);
}

#[test]
fn a_space_next_to_a_quote_spoils_its_row_and_no_other() {
    let quote = Some(Flaw::Quote);
    check(
        "\"John\", \"Smith\"\nAda,Byron\n",
        &[(&["John", " \"Smith\""], quote), (&["Ada", "Byron"], None)],
    );
    check("\"John\" ,Smith\n", &[(&["\"John\" ", "Smith"], quote)]);
    check(
        "5\" pipe\nnext",
        &[(&["5\" pipe"], quote), (&["next"], None)],
    );
    // Without its opening quote the text protects no delimiter.
    check(" \"a,b\"\n", &[(&[" \"a", "b\""], quote)]);
}

#[test]
fn a_quoted_cell_that_the_end_cuts_off_is_a_flaw() {
    let cut = Some(Flaw::Unterminated);
    check("a,\"b\nc", &[(&["a", "b\nc"], cut)]);
    check("\"", &[(&[""], cut)]);
    check("\"\"\"", &[(&["\""], cut)]);
}

#[test]
fn line_endings_other_than_the_dialects_are_noticed_outside_of_quotes_only() {
    let wrong = |text: &str, ending| rows(text.as_bytes(), Dialect { ending, ..COMMA_LF }).1;
    for (text, with_lf, with_crlf) in [
        ("a\nb\n", false, true),
        ("a\r\nb\r\n", true, false),
        ("a\nb\r\n", true, true),
        ("a\rb\r", true, true),
        ("a", false, false),
        ("\"x\r\ny\"\nb", false, true),
        ("\"x\ny\"\r\nb", true, false),
        ("\r\n", true, false),
    ] {
        assert_eq!(wrong(text, LineEnding::Lf), with_lf, "{text:?} LF");
        assert_eq!(wrong(text, LineEnding::CrLf), with_crlf, "{text:?} CRLF");
    }
}

#[test]
fn bytes_that_are_no_text_are_kept_as_bytes() {
    let data = b"\xff\xfe,\"\xc3\"\n";
    let mut row = Row::default();
    assert!(Reader::new(data, 0, COMMA_LF).read(&mut row));
    assert_eq!(row.cells[0].bytes(data).as_ref(), b"\xff\xfe");
    assert_eq!(row.cells[1].text(data), "\u{fffd}");
}

/// A small generator with a seed, so that a failure can be run again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // Steele and Vigna's SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    fn cell(&mut self) -> String {
        const PIECES: [&str; 14] = [
            "a", "\"", "\"\"", ",", ";", "\t", "|", "^", "`", "\n", "\r\n", "\r", " ", "Zoë",
        ];
        (0..self.below(6))
            .map(|_| PIECES[self.below(PIECES.len() as u64) as usize])
            .collect()
    }
}

#[test]
fn what_is_written_reads_back_the_same_in_every_dialect() {
    for seed in 0..3_000_u64 {
        let mut dice = Dice(seed);
        let columns = 1 + dice.below(4);
        let table: Vec<Vec<String>> = (0..dice.below(5))
            .map(|_| (0..columns).map(|_| dice.cell()).collect())
            .collect();
        for delimiter in Delimiter::ALL {
            for ending in LineEnding::ALL {
                let dialect = Dialect { delimiter, ending };
                let mut data = Vec::new();
                for row in &table {
                    write_row(&mut data, dialect, row);
                }
                let (read, wrong) = rows(&data, dialect);
                let expected: Vec<_> = table.iter().map(|row| (row.clone(), None)).collect();
                assert_eq!((read, wrong), (expected, false), "seed {seed}, {dialect:?}");
            }
        }
    }
}

#[test]
fn any_bytes_are_read_to_their_end_and_from_every_row_on_again() {
    const BYTES: &[u8] = b"a\",\n\r \xff";
    for seed in 0..5_000_u64 {
        let mut dice = Dice(seed);
        let data: Vec<u8> = (0..dice.below(30))
            .map(|_| BYTES[dice.below(BYTES.len() as u64) as usize])
            .collect();
        let (all, _) = rows(&data, COMMA_LF);
        let mut reader = Reader::new(&data, 0, COMMA_LF);
        let mut row = Row::default();
        let mut starts = Vec::new();
        while reader.read(&mut row) {
            assert!(row.start <= row.end && row.end <= reader.position());
            starts.push(row.start);
        }
        assert_eq!(starts.len(), all.len());
        for (n, start) in starts.into_iter().enumerate() {
            assert!(Reader::new(&data, start, COMMA_LF).read(&mut row));
            let cells: Vec<_> = row
                .cells
                .iter()
                .map(|c| c.text(&data).into_owned())
                .collect();
            assert_eq!((cells, row.flaw), all[n], "seed {seed}");
        }
    }
}
