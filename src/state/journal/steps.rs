//! Every step of every record of a period, one after the other, as the journal has it.

use std::ops::ControlFlow;

use super::chain::Chain;
use super::header::Header;
use super::line::{EntryLine, PersonalLine};
use super::scan::Run;
use super::sealed::open_line;
use super::walk::{Place, Progress, Visitor, Walk};
use crate::core::time::Micros;
use crate::state::audit::Error;
use crate::state::index::{TraceEvent, personal_part, trace_event};
use crate::state::keyring::Keyring;

/// A step of a record, or something that happened to the service as a whole.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ExportedStep {
    #[serde(flatten)]
    pub step: TraceEvent,
    /// Of the service, with what is told about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Which steps are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub since: Micros,
    /// Not included.
    pub until: Micros,
    /// Personal lines too, as the payload policy left them.
    pub personal: bool,
}

#[derive(serde::Deserialize)]
struct Service {
    event: String,
    #[serde(default)]
    detail: Option<String>,
}

/// Hands over the steps of a period; `take` may break off.
pub(in crate::state) fn export(
    walk: &Walk,
    wanted: Wanted,
    keys: Option<&Keyring>,
    take: &mut dyn FnMut(ExportedStep) -> Result<ControlFlow<()>, Error>,
    progress: &mut Progress<'_>,
) -> Result<(), Error> {
    let first = walk.segment_before(|header| header.last_at < wanted.since)?;
    walk.visit(first, &mut Export { wanted, keys, take }, progress)?;
    Ok(())
}

struct Export<'a> {
    wanted: Wanted,
    keys: Option<&'a Keyring>,
    take: &'a mut dyn FnMut(ExportedStep) -> Result<ControlFlow<()>, Error>,
}

impl Visitor for Export<'_> {
    fn segment(
        &mut self,
        _place: Place<'_>,
        header: Header,
        _chain: Chain,
    ) -> Result<ControlFlow<()>, Error> {
        Ok(
            if header.commits > 0 && header.last_at >= self.wanted.until {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            },
        )
    }

    fn run(&mut self, place: Place<'_>, run: Run<'_>) -> Result<ControlFlow<()>, Error> {
        let at = Micros(run.commit.at);
        if at < self.wanted.since || at >= self.wanted.until {
            return Ok(ControlFlow::Continue(()));
        }
        for raw in run.entries() {
            let line: EntryLine<'_> = serde_json::from_slice(raw.line)
                .map_err(|_| place.broken("an entry line cannot be understood"))?;
            let service: Option<Service> = (line.t.0 == "service")
                .then(|| serde_json::from_slice(raw.line))
                .transpose()
                .map_err(|_| place.broken("an entry line cannot be understood"))?;
            let personal = raw.personal.filter(|_| self.wanted.personal);
            // Without the key the step is told without its person.
            let personal = personal.and_then(|line| open_line(self.keys, line).ok());
            let personal = personal
                .as_deref()
                .map(serde_json::from_slice::<PersonalLine<'_>>)
                .transpose()
                .map_err(|_| place.broken("a personal line cannot be understood"))?
                .and_then(|line| line.x)
                .map(personal_part);
            let at = (place.segment, raw.offset);
            let (event, detail) = match service {
                Some(service) => (Some(service.event), service.detail),
                None => (line.act.map(|act| act.as_str().to_owned()), None),
            };
            let step = ExportedStep {
                step: trace_event(line, (run.commit.n, run.commit.at), at, personal),
                event,
                detail,
            };
            if (self.take)(step)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
