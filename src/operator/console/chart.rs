//! Charts of what came in and went out: bars and a line for a drawing that a template makes, with
//! the same numbers as a table for those who do not see it.

use askama::Template;

use super::words::{count, minute};
use crate::core::time::Micros;

/// What happened from one moment on, until the next slot's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    pub start: Micros,
    pub captured: u64,
    pub delivered: u64,
    pub dead_letters: u64,
}

/// In units of the drawing, which is stretched to the width that there is.
pub const WIDTH: f64 = 600.0;
pub const HEIGHT: f64 = 150.0;

/// Names below the drawing, and rows of its table.
const MARKS: usize = 5;
const ROWS: usize = 12;

#[derive(Debug, Template)]
#[template(path = "console/chart.html")]
pub struct Chart {
    /// What it shows, in one sentence.
    pub sentence: String,
    pub bars: Vec<Bar>,
    /// The path of what came in.
    pub line: String,
    /// The scale: its top, its half, and nothing.
    pub levels: [String; 3],
    pub marks: Vec<String>,
    pub rows: Vec<Row>,
}

/// Delivered, and dead letters on top of it.
#[derive(Debug)]
pub struct Bar {
    pub x: String,
    pub width: String,
    pub delivered: Part,
    pub dead_letters: Part,
    pub has_dead_letters: bool,
    pub tip: String,
}

#[derive(Debug)]
pub struct Part {
    pub y: String,
    pub height: String,
}

#[derive(Debug)]
pub struct Row {
    pub when: String,
    pub captured: String,
    pub delivered: String,
    pub dead_letters: String,
}

impl Chart {
    /// `when` is the period, `In the last hour`; `slots` are of one length, the oldest first.
    #[must_use]
    pub fn new(when: &str, slots: &[Slot], end: Micros) -> Self {
        let sum = |of: fn(&Slot) -> u64| slots.iter().map(of).sum::<u64>();
        let sentence = format!(
            "{when}, {} came in, {} were delivered, {} became dead letters.",
            count(sum(|slot| slot.captured)),
            count(sum(|slot| slot.delivered)),
            count(sum(|slot| slot.dead_letters))
        );
        let highest = |slot: &Slot| slot.captured.max(slot.delivered + slot.dead_letters);
        let top = round_up(slots.iter().map(highest).max().unwrap_or(0));
        let y = |number: u64| HEIGHT - HEIGHT * number as f64 / top as f64;
        let step = WIDTH / slots.len().max(1) as f64;
        let part = |from: u64, to: u64| Part {
            y: format!("{:.1}", y(to)),
            height: format!("{:.1}", y(from) - y(to)),
        };
        let bar = |(place, slot): (usize, &Slot)| Bar {
            x: format!("{:.2}", (place as f64 + 0.12) * step),
            width: format!("{:.2}", step * 0.76),
            delivered: part(0, slot.delivered),
            dead_letters: part(slot.delivered, slot.delivered + slot.dead_letters),
            has_dead_letters: slot.dead_letters > 0,
            tip: format!(
                "{}: {} in, {} delivered, {} dead letters",
                minute(slot.start),
                count(slot.captured),
                count(slot.delivered),
                count(slot.dead_letters)
            ),
        };
        // Slots in which nothing happened have no bar.
        let busy = |(_, slot): &(usize, &Slot)| slot.delivered + slot.dead_letters > 0;
        let mut line = String::new();
        for (place, slot) in slots.iter().enumerate() {
            let (from, to) = (place as f64 * step, (place + 1) as f64 * step);
            let pen = if place == 0 { 'M' } else { 'L' };
            line.push_str(&format!(
                "{pen}{from:.1} {height:.1}H{to:.1}",
                height = y(slot.captured)
            ));
        }
        let begin = slots.first().map_or(end, |slot| slot.start);
        let mark = |place: usize| {
            let part = place as i64 * (end.0 - begin.0) / (MARKS as i64 - 1);
            minute(Micros(begin.0 + part))
        };
        Self {
            sentence,
            bars: slots.iter().enumerate().filter(busy).map(bar).collect(),
            line,
            levels: [count(top), count(top / 2), "0".to_owned()],
            marks: (0..MARKS).map(mark).collect(),
            rows: rows(slots, end),
        }
    }
}

/// The same numbers, the newest first, in few rows.
fn rows(slots: &[Slot], end: Micros) -> Vec<Row> {
    let each = slots.len().div_ceil(ROWS).max(1);
    let starts = slots.iter().step_by(each).map(|slot| slot.start);
    let ends = starts.skip(1).chain([end]);
    let mut rows: Vec<Row> = slots
        .chunks(each)
        .zip(ends)
        .map(|(part, until)| {
            let sum = |of: fn(&Slot) -> u64| count(part.iter().map(of).sum::<u64>());
            let from = part.first().map_or(until, |slot| slot.start);
            Row {
                when: format!("{} to {}", minute(from), minute(until)),
                captured: sum(|slot| slot.captured),
                delivered: sum(|slot| slot.delivered),
                dead_letters: sum(|slot| slot.dead_letters),
            }
        })
        .collect();
    rows.reverse();
    rows
}

/// The next even number that reads well: 2, 4, 6, 10, 20, 40, 60, 100, …
fn round_up(number: u64) -> u64 {
    let mut step: u64 = 1;
    loop {
        for nice in [2, 4, 6, 10] {
            let top = step.saturating_mul(nice);
            if number <= top {
                return top;
            }
        }
        step = step.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000_000;

    fn slots(numbers: &[(u64, u64, u64)]) -> Vec<Slot> {
        let slot = |(place, (captured, delivered, dead_letters)): (i64, &(u64, u64, u64))| Slot {
            start: Micros(place * MINUTE),
            captured: *captured,
            delivered: *delivered,
            dead_letters: *dead_letters,
        };
        (0_i64..).zip(numbers).map(slot).collect()
    }

    #[test]
    fn bars_stand_on_each_other_below_the_scales_top() {
        let chart = Chart::new(
            "In the last hour",
            &slots(&[(9, 5, 1), (0, 0, 0)]),
            Micros(2 * MINUTE),
        );
        assert_eq!(chart.levels, ["10", "5", "0"]);
        let [bar] = &chart.bars[..] else {
            panic!("one bar: nothing happened in the second slot");
        };
        assert_eq!(
            (bar.delivered.y.as_str(), bar.delivered.height.as_str()),
            ("75.0", "75.0")
        );
        assert_eq!(
            (
                bar.dead_letters.y.as_str(),
                bar.dead_letters.height.as_str()
            ),
            ("60.0", "15.0")
        );
        assert_eq!(chart.line, "M0.0 15.0H300.0L300.0 150.0H600.0");
        assert_eq!(
            chart.sentence,
            "In the last hour, 9 came in, 5 were delivered, 1 became dead letters."
        );
    }

    #[test]
    fn the_table_adds_up_to_the_same() {
        let chart = Chart::new(
            "In the last hour",
            &slots(&[(2, 1, 0); 60]),
            Micros(60 * MINUTE),
        );
        assert_eq!(chart.rows.len(), 12);
        assert_eq!(chart.rows[0].when, "00:55 to 01:00");
        assert_eq!(chart.rows[0].captured, "10");
        assert_eq!(chart.marks, ["00:00", "00:15", "00:30", "00:45", "01:00"]);
    }

    #[test]
    fn nothing_at_all_is_drawn_too() {
        let chart = Chart::new("In the last hour", &[], Micros(0));
        assert!(chart.bars.is_empty() && chart.rows.is_empty());
        assert_eq!(round_up(u64::MAX), u64::MAX);
    }
}
