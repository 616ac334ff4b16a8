//! What the process says of itself while it runs: log lines on stderr.
//!
//! A leaf: it takes its own small settings and knows no other area. Row values and secrets are never
//! handed to it. Lines lost because stderr is gone are lost; logging never stops the pipeline.

pub mod metrics;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// One JSON object a line instead of text for people.
    pub json: bool,
    /// Directives of `EnvFilter`, already checked; what does not parse means `info`.
    pub level: String,
}

/// Starts logging to stderr for the whole process. A second call changes nothing, so that tests may
/// call it each.
pub fn init(log: &LogSettings) {
    let filter = EnvFilter::builder()
        .parse(&log.level)
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true);
    // The error says that somebody was here before: that logging stays.
    let _ = if log.json {
        lines
            .json()
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .try_init()
    } else {
        lines.finish().try_init()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_changes_nothing() {
        let log = LogSettings {
            json: true,
            level: "off".to_owned(),
        };
        init(&log);
        init(&LogSettings {
            json: false,
            level: "not=a=level".to_owned(),
        });
    }
}
