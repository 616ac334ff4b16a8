//! Reports: a period's figures, counted from the journal beside the pipeline.

pub mod figures;
pub mod html;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, oneshot};

use super::View;
use super::questions::{Failure, Reply, value};
use crate::core::report::{Frame, SlotLength};
use crate::runtime::period::{PeriodText, REMEDY};
use crate::runtime::with_causes;
use crate::state::audit::{Ledger, PeriodReport};

/// Which period, of what.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ReportQuestion {
    #[serde(flatten)]
    pub period: PeriodText,
    /// `None`: hours up to three days, else days.
    pub by: Option<SlotLength>,
    /// Of this route alone.
    pub route: Option<String>,
}

/// Each reads the journal of its period from disk: one at a time is enough for people.
static MAKING: Semaphore = Semaphore::const_new(1);

/// The pipeline comes first.
const NICE: i32 = 10;

pub(super) async fn answer(question: ReportQuestion, view: &View) -> Reply {
    match make(question, view).await {
        Ok(report) => value(Ok(report)),
        Err(failure) => Reply::Failure(failure),
    }
}

/// Counts it.
///
/// # Errors
/// When there is no such period, another report is being made, or the journal cannot be read.
pub(super) async fn make(question: ReportQuestion, view: &View) -> Result<PeriodReport, Failure> {
    let frame = question.period.parse((view.clock)());
    let frame = match frame.and_then(|period| period.frame(question.by)) {
        Ok(frame) => frame,
        Err(text) => return Err(failure("LS6020", text, REMEDY)),
    };
    let Ok(permit) = MAKING.try_acquire() else {
        let text = "a report is being made already".to_owned();
        return Err(failure("LS6063", text, "ask again when it is done"));
    };
    let Some(ledger) = view.index.ledger() else {
        return Err(inside());
    };
    let (sender, made) = oneshot::channel();
    let thread = std::thread::Builder::new().name("report".to_owned());
    let started = thread.spawn(move || {
        // On Linux the priority is the thread's own. Without it, it is only less polite.
        let _ = rustix::process::setpriority_process(None, NICE);
        let reply = report(&ledger, frame, question.route.as_deref());
        // The next one begins when this one has ended, whether somebody waits for it or not.
        drop(permit);
        let _ = sender.send(reply);
    });
    match started {
        Ok(_) => made.await.unwrap_or_else(|_| Err(inside())),
        Err(_) => Err(inside()),
    }
}

fn report(ledger: &Ledger, frame: Frame, route: Option<&str>) -> Result<PeriodReport, Failure> {
    let report = ledger.report(frame, route, &mut |_, _| {});
    report.map_err(|error| failure(error.page(), with_causes(&error), error.remedy()))
}

fn inside() -> Failure {
    let remedy = "ask again; the service's log says more";
    failure("LS6004", "the report failed inside".to_owned(), remedy)
}

fn failure(page: &str, text: String, remedy: &str) -> Failure {
    Failure {
        page: page.to_owned(),
        text,
        remedy: remedy.to_owned(),
    }
}
