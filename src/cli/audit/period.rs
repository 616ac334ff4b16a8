//! The period that is asked for, from the command line.

use clap::Args;

use crate::cli::printer::Printer;
use crate::cli::{Failed, USAGE};
use crate::core::time::Micros;
pub use crate::runtime::period::Period;
use crate::runtime::period::{PeriodText, REMEDY};

#[derive(Args)]
pub struct PeriodArguments {
    /// From this moment on: 2026-11-22, 2026-11-22T08:00, with Z or an offset, or 24h or 7d ago
    /// [default: 24h]
    #[arg(long, value_name = "MOMENT", conflicts_with = "day")]
    since: Option<String>,
    /// Up to this moment, not included [default: now]
    #[arg(long, value_name = "MOMENT", conflicts_with = "day")]
    until: Option<String>,
    /// One whole day: 2026-11-22, today or yesterday
    #[arg(long, value_name = "DATE")]
    day: Option<String>,
    /// Days and moments without a zone are meant, and shown, this far from UTC: +02:00, -05:00
    #[arg(
        long,
        value_name = "OFFSET",
        default_value = "+00:00",
        allow_hyphen_values = true
    )]
    utc_offset: String,
}

impl PeriodArguments {
    /// The period, or what is wrong with it.
    pub fn read(&self, now: Micros, printer: &Printer) -> Result<Period, Failed> {
        let text = PeriodText {
            since: self.since.clone(),
            until: self.until.clone(),
            day: self.day.clone(),
            utc_offset: Some(self.utc_offset.clone()),
        };
        text.parse(now).map_err(|text| {
            printer.error(Some("LS6020"), &text, Some(REMEDY));
            Failed::Said(USAGE)
        })
    }
}
