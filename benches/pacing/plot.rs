//! The plot of `docs/pacing.md`: calls in each hour of three days, and the leads of one.

use std::fmt::Write as _;

use leadstream::core::pacing::simulation::{Day, Report};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 262.0;
const MOST_CALLS: f64 = 1_500.0;

/// An SVG picture.
pub fn draw(day: &Day, ours: &Report, spent: &Report, eaten: &Report) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    let hour_width = (WIDTH - LEFT - 16.0) / 24.0;
    let height = |calls: f64| BOTTOM - calls / MOST_CALLS * (BOTTOM - TOP);
    let mut leads = [0_u32; 24];
    for at in &day.arrivals_ms {
        leads[(at / 3_600_000) as usize % 24] += 1;
    }
    // Leads are drawn at a tenth, so that both fit one scale.
    for (hour, count) in leads.iter().enumerate() {
        let top = height(f64::from(*count) / 10.0);
        let x = LEFT + hour as f64 * hour_width;
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#e3e7ee\"/>",
            hour_width - 2.0,
            BOTTOM - top
        );
    }
    for calls in [0.0, 500.0, 1_000.0, 1_500.0] {
        let y = height(calls);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ccc\" \
             stroke-width=\"0.5\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{calls}</text>",
            WIDTH - 16.0,
            LEFT - 6.0,
            y + 4.0
        );
    }
    for hour in (0..24).step_by(3) {
        let x = LEFT + (f64::from(hour) + 0.5) * hour_width;
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{hour}:00</text>",
            BOTTOM + 14.0
        );
    }
    let lines = [
        (ours, "#1f6feb", "the scenario's day"),
        (spent, "#d1242f", "nearly spent at its beginning"),
        (eaten, "#1a7f37", "another tool from 6:00"),
    ];
    for (place, (report, colour, name)) in lines.into_iter().enumerate() {
        let points: Vec<String> = report
            .hours
            .iter()
            .enumerate()
            .map(|(hour, (calls, _))| {
                let x = LEFT + (hour as f64 + 0.5) * hour_width;
                format!("{x:.1},{:.1}", height(*calls as f64))
            })
            .collect();
        let x = LEFT + 8.0 + place as f64 * 190.0;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            points.join(" "),
            HEIGHT - 8.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"14\">calls in each hour; grey: leads, a tenth of them</text>\n</svg>"
    );
    svg
}
