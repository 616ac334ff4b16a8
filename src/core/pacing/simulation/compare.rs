//! What pacing is held against: rules that know nothing of a budget, the best rule that knows each
//! hour's rate but no arrival, and the best that anyone could do who knows them all.

use super::{Day, HOUR_MS, Report, Sends};

/// A rule whose numbers are fixed beforehand.
#[derive(Clone, Debug)]
pub enum FixedRule {
    /// A call at each multiple, with what waits then.
    Every { ms: u64 },
    /// A call so long after the first record that waits.
    Linger { ms: u64 },
    /// A call with so many records, by the hour of the day.
    Count(fn(u64) -> usize),
}

/// Puts a day through a fixed rule.
#[must_use]
pub fn fixed(rule: &FixedRule, day: &Day) -> Report {
    let mut sends = Sends::new(day);
    let mut waiting: Vec<u64> = Vec::new();
    let mut due = u64::MAX;
    for at in day.arrivals_ms.iter().copied() {
        if at >= due {
            send_all(&mut sends, due, &mut waiting);
        }
        if waiting.is_empty() {
            due = match rule {
                FixedRule::Every { ms } => (at / ms + 1) * ms,
                FixedRule::Linger { ms } => at + ms,
                FixedRule::Count(_) => u64::MAX,
            };
        }
        waiting.push(at);
        if let FixedRule::Count(count) = rule
            && waiting.len() >= count(at / HOUR_MS)
        {
            send_all(&mut sends, at, &mut waiting);
        }
    }
    let last = due.min(day.length_ms - 1);
    send_all(&mut sends, last, &mut waiting);
    sends.report(0)
}

/// A call takes 200 records.
fn send_all(sends: &mut Sends<'_>, at: u64, waiting: &mut Vec<u64>) {
    for records in waiting.chunks(200) {
        sends.send(at, records.iter().copied());
    }
    waiting.clear();
}

/// The least total wait with at most `calls` calls, all arrivals known beforehand.
#[must_use]
pub fn best_knowing_all(day: &Day, calls: u64) -> Report {
    let (mut low, mut high) = (0.0, 3.6e6);
    for _ in 0..40 {
        let price = f64::midpoint(low, high);
        if cut(day, price).len() as u64 > calls {
            low = price;
        } else {
            high = price;
        }
    }
    let mut sends = Sends::new(day);
    let mut first = 0;
    for end in cut(day, high) {
        let records = &day.arrivals_ms[first..end];
        sends.send(day.arrivals_ms[end - 1], records.iter().copied());
        first = end;
    }
    sends.report(0)
}

/// Where the batches end when a call costs as much as `price` milliseconds of waiting: the cheapest
/// way to the `n`-th record is the cheapest over the last batch.
fn cut(day: &Day, price: f64) -> Vec<usize> {
    let at = &day.arrivals_ms;
    let mut cheapest = vec![0.0; at.len() + 1];
    let mut begins = vec![0; at.len() + 1];
    for end in 1..=at.len() {
        let last = at[end - 1] as f64;
        let mut waits = 0.0;
        cheapest[end] = f64::INFINITY;
        for first in (end.saturating_sub(200)..end).rev() {
            waits += last - at[first] as f64;
            if waits > 2.0 * price && first + 1 < end {
                break;
            }
            let cost = cheapest[first] + waits + price;
            if cost < cheapest[end] {
                cheapest[end] = cost;
                begins[end] = first;
            }
        }
    }
    let mut ends = Vec::new();
    let mut end = at.len();
    while end > 0 {
        ends.push(end);
        end = begins[end];
    }
    ends.reverse();
    ends
}
