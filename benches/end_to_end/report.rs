//! Lines of the table that is printed.

/// Percentiles of durations in seconds, printed in milliseconds.
pub fn spread(mut seconds: Vec<f64>) -> String {
    seconds.sort_by(f64::total_cmp);
    let last = seconds.len() - 1;
    let at = |percent: usize| seconds[last * percent / 100] * 1e3;
    format!(
        "p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        at(50),
        at(90),
        at(99),
        at(100)
    )
}

pub fn line(name: &str, value: String) {
    println!("  {name:40} {value}");
}
