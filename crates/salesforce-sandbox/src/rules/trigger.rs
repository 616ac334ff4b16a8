//! Apex triggers, as far as clients notice them: they run, and they fail records (facts 3.4 and 7.1).
use super::{Expression, Sight, Trigger, TriggerEvent, TriggerFailure, compile_condition};
use crate::org::Refusal;
use crate::schema::Schema;

/// Attempts at saving the records of a call that did not fail before (facts 3.4).
pub(crate) const MAX_ATTEMPTS: u8 = 3;

/// The active triggers of an org.
#[derive(Debug, Default)]
pub(crate) struct Triggers {
    list: Vec<Active>,
}

#[derive(Debug)]
struct Active {
    name: String,
    on: Vec<TriggerEvent>,
    fails_when: Option<Expression>,
    message: String,
    failure: TriggerFailure,
    from_attempt: u8,
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct TriggerRun {
    /// Triggers that ran.
    pub(crate) runs: u64,
    /// For each record in the order of the run.
    pub(crate) refusals: Vec<Option<Refusal>>,
}

impl Triggers {
    pub(super) fn new(
        triggers: &[Trigger],
        schema: &Schema,
        mistakes: &mut Vec<String>,
    ) -> Triggers {
        let mut list = Vec::new();
        for (i, trigger) in triggers.iter().enumerate() {
            let key = format!("triggers[{i}]");
            if trigger.on.is_empty() {
                mistakes.push(format!("{key}.on is empty"));
            }
            if !(1..=MAX_ATTEMPTS).contains(&trigger.from_attempt) {
                mistakes.push(format!("{key}.from_attempt must be 1 to {MAX_ATTEMPTS}"));
            }
            let fails_when = trigger.fails_when.as_deref().and_then(|text| {
                compile_condition(&format!("{key}.fails_when"), text, schema, mistakes)
            });
            if trigger.active {
                list.push(Active {
                    name: trigger.name.clone(),
                    on: trigger.on.clone(),
                    fails_when,
                    message: trigger.message.clone(),
                    failure: trigger.failure,
                    from_attempt: trigger.from_attempt,
                });
            }
        }
        Triggers { list }
    }

    /// Whether there is any trigger: without one, records are saved in a single attempt.
    pub(crate) fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Runs the triggers of an event over the records of one attempt, the first being 1.
    pub(crate) fn run<S: Sight>(
        &self,
        event: TriggerEvent,
        attempt: u8,
        leads: &[S],
    ) -> TriggerRun {
        let mut run = TriggerRun {
            runs: 0,
            refusals: vec![None; leads.len()],
        };
        if leads.is_empty() {
            return run;
        }
        for trigger in self.list.iter().filter(|t| t.on.contains(&event)) {
            run.runs += 1;
            trigger.run(event, attempt, leads, &mut run.refusals);
        }
        run
    }
}

impl Active {
    fn run<S: Sight>(
        &self,
        event: TriggerEvent,
        attempt: u8,
        leads: &[S],
        refusals: &mut [Option<Refusal>],
    ) {
        let Some(fails_when) = self.fails_when.as_ref() else {
            return;
        };
        if attempt < self.from_attempt {
            return;
        }
        let failed: Vec<bool> = leads.iter().map(|lead| fails_when.holds(lead)).collect();
        let whole = self.failure == TriggerFailure::Chunk && failed.contains(&true);
        for (refusal, failed) in refusals.iter_mut().zip(failed) {
            if (failed || whole) && refusal.is_none() {
                *refusal = Some(self.refusal(event));
            }
        }
    }

    fn refusal(&self, event: TriggerEvent) -> Refusal {
        match self.failure {
            TriggerFailure::AddError => {
                Refusal::new("FIELD_CUSTOM_VALIDATION_EXCEPTION", self.message.clone())
            }
            TriggerFailure::Flow => Refusal::new(
                "CANNOT_EXECUTE_FLOW_TRIGGER",
                format!(
                    "We can't save this record because the \u{201c}{}\u{201d} process failed. Give your Salesforce \
                     admin these details. {}",
                    self.name, self.message
                ),
            ),
            TriggerFailure::Record | TriggerFailure::Chunk => Refusal::new(
                "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
                format!(
                    "{}: execution of {} caused by: {}",
                    self.name,
                    event.name(),
                    self.message
                ),
            ),
        }
    }
}

/// What every record of a call is told when the third attempt fails one too (facts 3.4; the code is inference).
pub(crate) fn too_many_retries() -> Refusal {
    Refusal::new(
        "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
        "Too many batch retries in the presence of Apex triggers and partial failures.",
    )
}
