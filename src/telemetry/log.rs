//! Log lines: human or JSON, with the spans `pipeline > batch{batch_id, object, op} >
//! request{attempt}` before each, at a level that can be changed while the process runs.
//!
//! Its state is the process's own, as tracing's subscriber is: one level for all.

use std::io::IsTerminal;
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// How to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// One JSON object a line instead of text for people.
    pub json: bool,
    /// Directives of `EnvFilter`, already checked; what does not parse means `info`.
    pub level: String,
}

/// How much is logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLevel {
    /// By the configuration: a restart goes back to it.
    pub configured: String,
    /// Before the question was asked.
    pub before: String,
    pub now: String,
}

/// Why the level stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogLevelFault {
    #[error(
        "a log level is off, error, warn, info, debug, trace, or a list of target=level with commas"
    )]
    NotDirectives,
    #[error("this process does not log by itself, so there is no level to change")]
    NotOurs,
}

/// Puts another filter into the place of the one in use; false when there is none any more.
type Apply = Box<dyn Fn(EnvFilter) -> bool + Send + Sync>;

struct Control {
    configured: String,
    now: Mutex<String>,
    apply: Apply,
}

static CONTROL: OnceLock<Control> = OnceLock::new();

/// More than any list of targets that a person writes; it is journalled and logged.
const MAX_DIRECTIVES_BYTES: usize = 1_000;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Starts logging to stderr for the whole process. A second call changes nothing, so that tests may
/// call it each.
pub fn init(log: &LogSettings) {
    let colours = std::io::stderr().is_terminal();
    let (subscriber, apply) = subscriber(log, colours, std::io::stderr);
    // The error says that somebody was here before: that logging stays.
    if subscriber.try_init().is_ok() {
        let control = Control {
            configured: log.level.clone(),
            now: Mutex::new(log.level.clone()),
            apply,
        };
        let _ = CONTROL.set(control);
    }
}

/// The level now; `None` where [`init`] did not start the logging.
#[must_use]
pub fn level() -> Option<LogLevel> {
    CONTROL.get().map(Control::level)
}

/// Logs by other directives from now on, until a restart; `None`: by those of the configuration.
///
/// # Errors
/// When they are no directives, or the logging is not ours.
pub fn change_level(directives: Option<&str>, author: &str) -> Result<LogLevel, LogLevelFault> {
    let control = CONTROL.get().ok_or(LogLevelFault::NotOurs)?;
    control.change(directives, author)
}

/// Whether a text is what a level may be. `EnvFilter` takes a bare unknown word for a target that is
/// logged in full: `inof` would switch everything off but a target of that name. So a directive must
/// be a level or name one.
#[must_use]
pub fn are_directives(text: &str) -> bool {
    let named = |part: &str| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        LEVELS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(level.trim()))
    };
    text.len() <= MAX_DIRECTIVES_BYTES
        && !text.contains(char::is_control)
        && text.split(',').all(|part| named(part.trim()))
        && EnvFilter::builder().parse(text).is_ok()
}

impl Control {
    fn level(&self) -> LogLevel {
        let now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        LogLevel {
            configured: self.configured.clone(),
            before: now.clone(),
            now: now.clone(),
        }
    }

    fn change(&self, directives: Option<&str>, author: &str) -> Result<LogLevel, LogLevelFault> {
        let next = directives.unwrap_or(&self.configured);
        if !are_directives(next) {
            return Err(LogLevelFault::NotDirectives);
        }
        let filter = EnvFilter::builder()
            .parse(next)
            .map_err(|_| LogLevelFault::NotDirectives)?;
        // Held until the filter is in its place: of two changes the later one is the one that is told.
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let level = LogLevel {
            configured: self.configured.clone(),
            before: now.clone(),
            now: next.to_owned(),
        };
        let say = || {
            tracing::info!(
                author,
                before = level.before,
                now = level.now,
                "the log level is changed, until a restart"
            );
        };
        // Whichever of the two levels lets it through.
        let is_heard = tracing::enabled!(tracing::Level::INFO);
        if is_heard {
            say();
        }
        if !(self.apply)(filter) {
            return Err(LogLevelFault::NotOurs);
        }
        if !is_heard {
            say();
        }
        next.clone_into(&mut now);
        drop(now);
        Ok(level)
    }
}

fn subscriber<W>(
    log: &LogSettings,
    colours: bool,
    writer: W,
) -> (Box<dyn Subscriber + Send + Sync>, Apply)
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .parse(&log.level)
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours)
        .with_target(true);
    if log.json {
        let lines = lines
            .json()
            .with_current_span(false)
            .with_span_list(true)
            .with_filter_reloading();
        let handle = lines.reload_handle();
        let apply = move |filter| handle.reload(filter).is_ok();
        (Box::new(lines.finish()), Box::new(apply))
    } else {
        let lines = lines.with_filter_reloading();
        let handle = lines.reload_handle();
        let apply = move |filter| handle.reload(filter).is_ok();
        (Box::new(lines.finish()), Box::new(apply))
    }
}

#[cfg(test)]
mod tests;
