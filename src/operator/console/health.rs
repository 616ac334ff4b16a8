//! Whether the service is well, in a sentence, and every reason why not with what to do about it.
//! Judges a published status; reads nothing itself.

use super::words::{bytes, sentence, span};
use crate::core::time::Micros;
use crate::runtime::status::{Stage, Status, TroubleStatus};
use crate::state::Room;

/// A lead that waits longer is at risk of missing its hour.
pub const AT_RISK_SECONDS: f64 = 900.0;

/// The server throws away what is not read within it: somebody has to look.
const RETENTION_LEFT_SECONDS: i64 = 6 * 3600;

/// How it looks: a class of the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    Good,
    Warn,
    Bad,
}

impl std::fmt::Display for Tone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Tone::Good => "good",
            Tone::Warn => "warn",
            Tone::Bad => "bad",
        })
    }
}

/// One reason, with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub tone: Tone,
    /// What it means for the leads.
    pub title: String,
    pub text: String,
    pub remedy: String,
    pub page: String,
    pub since: Option<Micros>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headline {
    pub tone: Tone,
    pub title: String,
    pub text: String,
}

/// The page of a route that an operator paused.
const PAUSED: &str = "LS6070";

/// Everything that is wrong, the worst first.
#[must_use]
pub fn troubles(status: &Status, now: Micros) -> Vec<Trouble> {
    let mut found = Vec::new();
    source(status, &mut found);
    if status.disk.room != Room::Enough || status.disk.trouble.is_some() {
        found.push(match &status.disk.trouble {
            Some(trouble) => of(Tone::Bad, "Nothing is sent for want of disk space", trouble),
            None => Trouble {
                tone: Tone::Bad,
                title: "Nothing is sent for want of disk space".to_owned(),
                text: "the disk of the state folder is full".to_owned(),
                remedy: "make room on it".to_owned(),
                page: "LS3030".to_owned(),
                since: None,
            },
        });
    }
    if let Some(trouble) = &status.delivery.trouble {
        found.push(of(Tone::Bad, "Nothing is sent to Salesforce", trouble));
    }
    for route in &status.routes {
        if let Some(pause) = &route.operator_pause {
            // Why stands on the route's own page: it may name people.
            found.push(Trouble {
                tone: Tone::Warn,
                title: format!("Route {} is paused", route.name),
                text: format!("paused by {}", pause.author),
                remedy: "resume it on its page when it need not wait any more".to_owned(),
                page: PAUSED.to_owned(),
                since: Some(pause.since),
            });
        }
        let told =
            |trouble: &&TroubleStatus| route.operator_pause.is_none() || trouble.page != PAUSED;
        if let Some(trouble) = route.trouble.as_ref().filter(told) {
            let title = format!("Route {} waits", route.name);
            found.push(of(Tone::Warn, &title, trouble));
        }
        if !route.balances {
            found.push(Trouble {
                tone: Tone::Bad,
                title: format!("The books of route {} do not balance", route.name),
                text: "what was captured is not what became of it".to_owned(),
                remedy: "run `leadstream audit verify`, and report this".to_owned(),
                page: String::new(),
                since: None,
            });
        }
    }
    let lag = status.lag_seconds(now);
    if lag >= AT_RISK_SECONDS && found.is_empty() {
        found.push(Trouble {
            tone: Tone::Bad,
            title: "Leads wait for too long".to_owned(),
            text: format!("the oldest has been waiting for {}", span(lag)),
            remedy: "see below what is on its way, and whether the API budget holds it".to_owned(),
            page: String::new(),
            since: status.oldest_unsettled,
        });
    }
    found.sort_by_key(|trouble| std::cmp::Reverse(trouble.tone));
    found
}

fn source(status: &Status, found: &mut Vec<Trouble>) {
    let source = &status.source;
    let title = match (status.stage, source.stopped) {
        (_, true) => "Nothing is read from MySQL: it waits for a person",
        (Stage::Starting, false) => "The start waits for MySQL",
        _ => "Nothing is read from MySQL",
    };
    match &source.trouble {
        Some(trouble) if source.connected && !source.stopped => {
            found.push(of(Tone::Warn, "Trouble with MySQL", trouble));
        }
        Some(trouble) => found.push(of(Tone::Bad, title, trouble)),
        None if source.stalled => found.push(Trouble {
            tone: Tone::Bad,
            title: "Nothing comes from MySQL".to_owned(),
            text: "the server's binlog grows, but no event comes".to_owned(),
            remedy: "it connects again by itself; if that does not help, look at the server and \
                     the network between"
                .to_owned(),
            page: "LS1034".to_owned(),
            since: None,
        }),
        None => {}
    }
    let behind = source.behind_bytes.unwrap_or(0);
    if let Some(left) = source.retention_left_seconds
        && left < RETENTION_LEFT_SECONDS
        && behind > 0
    {
        found.push(Trouble {
            tone: Tone::Bad,
            title: "MySQL will soon throw away what was not read".to_owned(),
            text: format!(
                "{} are not read yet, and the server keeps them for another {}",
                bytes(behind),
                span(left.max(0) as f64)
            ),
            remedy: "raise binlog_expire_logs_seconds on the server, and mend what holds \
                     leadstream"
                .to_owned(),
            page: "LS1060".to_owned(),
            since: None,
        });
    }
}

fn of(tone: Tone, title: &str, trouble: &TroubleStatus) -> Trouble {
    Trouble {
        tone,
        title: title.to_owned(),
        text: trouble.text.clone(),
        remedy: trouble.remedy.clone(),
        page: trouble.page.clone(),
        since: Some(trouble.since),
    }
}

/// The one sentence.
#[must_use]
pub fn headline(status: &Status, troubles: &[Trouble], now: Micros) -> Headline {
    let headline = |tone, title: &str, text: String| Headline {
        tone,
        title: title.to_owned(),
        text,
    };
    if let Some(worst) = troubles.first() {
        let more = match troubles.len() - 1 {
            0 => String::new(),
            1 => " One more thing is wrong.".to_owned(),
            more => format!(" {more} more things are wrong."),
        };
        let text = format!("{}.{more}", sentence(&worst.text));
        return headline(worst.tone, &worst.title, text);
    }
    let lag = status.lag_seconds(now);
    match status.stage {
        Stage::Starting => headline(
            Tone::Warn,
            "Starting",
            "What is shown is what the journal says.".to_owned(),
        ),
        Stage::Stopping => headline(
            Tone::Warn,
            "Stopping",
            "What is on its way is brought to its end.".to_owned(),
        ),
        Stage::Running if !status.source.connected => headline(
            Tone::Warn,
            "Connecting to MySQL",
            "Nothing is read until the stream stands.".to_owned(),
        ),
        Stage::Running if status.oldest_unsettled.is_none() => headline(
            Tone::Good,
            "Healthy",
            "Every change that MySQL has told of has its outcome.".to_owned(),
        ),
        Stage::Running => headline(
            Tone::Good,
            "Healthy",
            format!("Salesforce is {} behind MySQL.", span(lag)),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::acts::OperatorPause;
    use crate::operator::console::testing;

    const NOW: Micros = Micros(10_000_000_000);

    fn trouble(text: &str) -> TroubleStatus {
        TroubleStatus {
            page: "LS1001".into(),
            text: text.into(),
            remedy: "start it".into(),
            since: Micros(0),
            attempt: 3,
            next_try: None,
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Status), tone: Tone, title: &str, text: &str) {
        let mut status = testing::status();
        change(&mut status);
        let said = headline(&status, &troubles(&status, NOW), NOW);
        assert_eq!((said.tone, said.title.as_str()), (tone, title));
        assert!(said.text.contains(text), "{}", said.text);
    }

    #[test]
    fn a_healthy_service_says_how_far_behind_it_is() {
        check(|_| {}, Tone::Good, "Healthy", "has its outcome");
        check(
            |status| status.oldest_unsettled = Some(Micros(NOW.0 - 8_000_000)),
            Tone::Good,
            "Healthy",
            "8 s behind",
        );
    }

    #[test]
    fn the_worst_is_said_first() {
        check(
            |status| {
                status.routes[0].trouble = Some(trouble("State is gone"));
                status.delivery.trouble = Some(trouble("the login is refused"));
            },
            Tone::Bad,
            "Nothing is sent to Salesforce",
            "The login is refused. One more thing is wrong.",
        );
        check(
            |status| {
                status.source.connected = false;
                status.source.stopped = true;
                status.source.trouble = Some(trouble("history lost"));
            },
            Tone::Bad,
            "Nothing is read from MySQL: it waits for a person",
            "History lost.",
        );
        check(
            |status| status.disk.room = Room::Full,
            Tone::Bad,
            "Nothing is sent for want of disk space",
            "full",
        );
        check(
            |status| status.routes[0].balances = false,
            Tone::Bad,
            "The books of route leads do not balance",
            "",
        );
        check(
            |status| {
                status.source.behind_bytes = Some(2048);
                status.source.retention_left_seconds = Some(3600);
            },
            Tone::Bad,
            "MySQL will soon throw away what was not read",
            "2.0 KiB",
        );
    }

    #[test]
    fn a_paused_route_is_named_once_with_who_paused_it_and_since_when_and_not_why() {
        let mut status = testing::status();
        status.routes[0].trouble = Some(TroubleStatus {
            page: PAUSED.into(),
            ..trouble("an operator paused it")
        });
        status.routes[0].operator_pause = Some(OperatorPause {
            author: "grace".into(),
            since: Micros(7),
            reason: "Ada Lovelace asked for it".into(),
        });
        let found = troubles(&status, NOW);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].title, "Route leads is paused");
        assert_eq!(found[0].text, "paused by grace");
        assert_eq!(found[0].since, Some(Micros(7)));
        assert!(!format!("{found:?}").contains("Lovelace"), "{found:?}");
        status.routes[0].trouble = Some(trouble("State is gone"));
        assert_eq!(troubles(&status, NOW).len(), 2, "both are to be mended");
    }

    #[test]
    fn a_lead_that_may_miss_its_hour_is_trouble_of_its_own() {
        check(
            |status| status.oldest_unsettled = Some(Micros(NOW.0 - 901_000_000)),
            Tone::Bad,
            "Leads wait for too long",
            "15 min",
        );
        check(
            |status| status.stage = Stage::Starting,
            Tone::Warn,
            "Starting",
            "journal",
        );
    }
}
