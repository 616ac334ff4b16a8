//! Dead letters in the driver: letters are looked up beside the loop, and who asked for a change is
//! answered when it is durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinError, JoinSet};

use super::{Driver, Error};
use crate::core::acts::ActKind;
use crate::core::describe::ObjectDescribe;
use crate::core::letters::{self, LetterRead};
use crate::core::mapping::{Fields, NewValue, Plan, check_edit, read_fields, write_json_string};
use crate::core::pipeline::{Input, LetterInput};
use crate::runtime::commands::Declined;
use crate::runtime::letters::{EditAnswer, EditOrder, Edited, LetterCommand, not_open};

/// A lookup waits for the index this long; nothing else waits for it.
const CATCH_UP: Duration = Duration::from_secs(30);

/// The driver's part in dead letters.
#[derive(Default)]
pub(super) struct Letters {
    pub reads: JoinSet<Vec<LetterRead>>,
    /// What is said once so many commits are durable.
    answers: VecDeque<(u64, Box<dyn FnOnce() + Send>)>,
    submitted: u64,
    durable: u64,
}

impl Letters {
    pub(super) fn note_submitted(&mut self) {
        self.submitted += 1;
    }

    pub(super) fn note_durable(&mut self) {
        self.durable += 1;
        let durable = self.durable;
        while let Some((_, answer)) = self.answers.pop_front_if(|(commit, _)| *commit <= durable) {
            answer();
        }
    }

    /// At once, when nothing is on its way to the disk.
    pub(super) fn once_durable(&mut self, answer: impl FnOnce() + Send + 'static) {
        if self.durable == self.submitted {
            return answer();
        }
        self.answers.push_back((self.submitted, Box::new(answer)));
    }
}

impl Driver {
    pub(super) fn read_letters(&mut self, numbers: Vec<u64>) {
        let index = self.parts.index.clone();
        let routes = self.parts.pipeline.scopes();
        self.letters.reads.spawn_blocking(move || {
            if index.catch_up(CATCH_UP) {
                return index.read_letters(&numbers, &routes);
            }
            let behind = |number| LetterRead {
                number,
                found: Err(letters::Declined::IndexBehind),
            };
            numbers.into_iter().map(behind).collect()
        });
    }

    pub(super) fn take_letters(
        &mut self,
        read: Result<Vec<LetterRead>, JoinError>,
    ) -> Result<(), Error> {
        let read = read.map_err(|_| Error::ReadEnded)?;
        self.step(Input::Letters(LetterInput::Read(read)))
    }

    pub(super) fn take_letter_command(&mut self, command: LetterCommand) -> Result<(), Error> {
        match command {
            LetterCommand::Replay { order, answer } => {
                if self.parts.pipeline.is_replaying() {
                    let _ = answer.send(Err(Declined {
                        page: "LS6013".to_owned(),
                        text: "a replay is under way, and one runs at a time".to_owned(),
                        remedy: "wait for its end, or end it with `leadstream dead-letters replay \
                                 --cancel`"
                            .to_owned(),
                    }));
                    return Ok(());
                }
                self.step(Input::Letters(LetterInput::Replay(order)))?;
                let progress = self.parts.pipeline.replay();
                // Who asked may have gone meanwhile, here and below.
                let _ = answer.send(progress.ok_or_else(nothing_to_cancel));
            }
            LetterCommand::CancelReplay { author, answer } => {
                let result = if self.parts.pipeline.is_replaying() {
                    self.step(Input::Letters(LetterInput::CancelReplay))?;
                    self.note_act(ActKind::CancelReplay, author)?;
                    self.parts.pipeline.replay().ok_or_else(nothing_to_cancel)
                } else {
                    Err(nothing_to_cancel())
                };
                let _ = answer.send(result);
            }
            LetterCommand::ReplayStatus { answer } => {
                let _ = answer.send(Ok(self.parts.pipeline.replay()));
            }
            LetterCommand::Edit { order, answer } => self.edit_letter(order, answer)?,
            LetterCommand::Discard {
                letters,
                author,
                reason,
                answer,
            } => {
                let pipeline = &self.parts.pipeline;
                let is_free = |number: u64| pipeline.letter(number).is_some_and(|it| !it.leased);
                let letters: Vec<(u64, Arc<str>)> = letters
                    .into_iter()
                    .filter(|(number, _)| is_free(*number))
                    .collect();
                let count = letters.len() as u64;
                self.step(Input::Letters(LetterInput::Discard {
                    letters,
                    author,
                    reason,
                }))?;
                self.letters
                    .once_durable(move || drop(answer.send(Ok(count))));
            }
        }
        Ok(())
    }

    fn edit_letter(&mut self, order: EditOrder, answer: EditAnswer) -> Result<(), Error> {
        let number = order.number;
        let state = self.parts.pipeline.letter(number);
        let route = state
            .as_ref()
            .and_then(|state| self.parts.routes.iter().find(|it| it.name == state.route));
        let (Some(state), Some(route)) = (&state, route) else {
            let _ = answer.send(Err(not_open(number)));
            return Ok(());
        };
        if state.leased {
            let _ = answer.send(Err(Declined {
                page: "LS6012".to_owned(),
                text: format!("dead letter {number} is on its way to Salesforce"),
                remedy: "wait for its outcome; refused again, it can be edited".to_owned(),
            }));
            return Ok(());
        }
        let Some(object) = self.descriptions.object(&route.plan.object) else {
            let _ = answer.send(Err(Declined::not_now("the object is not described yet")));
            return Ok(());
        };
        let edited = match check_edits(object, &route.plan, &order) {
            Ok(edited) => edited,
            Err(declined) => {
                let _ = answer.send(Err(declined));
                return Ok(());
            }
        };
        if order.check_only || edited.changed.is_empty() {
            let _ = answer.send(Ok(edited));
            return Ok(());
        }
        let author = order.author.clone();
        self.step(Input::Letters(LetterInput::Edit {
            number,
            key: order.key.as_str().into(),
            author,
            before: edited.before.as_str().into(),
            after: edited.after.as_str().into(),
        }))?;
        self.letters
            .once_durable(move || drop(answer.send(Ok(edited))));
        Ok(())
    }
}

fn nothing_to_cancel() -> Declined {
    Declined {
        page: "LS6014".to_owned(),
        text: "no replay is under way".to_owned(),
        remedy: "nothing; `leadstream dead-letters list` shows what waits".to_owned(),
    }
}

/// What the mapping refused, as JSON by field: an edit of it tells what it was, and that it is left
/// out can be told at all.
fn refused(plan: &Plan, order: &EditOrder, fields: &Fields) -> Fields {
    let Some(row) = &order.row else {
        return Fields::new();
    };
    let settled = fields.keys().chain(&order.edited).cloned().collect();
    let texts = plan.refused(row, &settled).into_iter();
    let json = texts.filter_map(|(name, text)| {
        let mut json = String::new();
        write_json_string(&text, &mut json);
        let json = serde_json::value::RawValue::from_string(json).ok()?;
        Some((name, json))
    });
    json.collect()
}

/// Holds every change against describe; all that is wrong is said at once.
fn check_edits(
    object: &ObjectDescribe,
    plan: &Plan,
    order: &EditOrder,
) -> Result<Edited, Declined> {
    let payload = order.payload.as_deref().unwrap_or("{}");
    let fields = read_fields(payload).unwrap_or_default();
    let refused = refused(plan, order, &fields);
    let (mut before, mut after) = (Fields::new(), Fields::new());
    let mut wrong = Vec::new();
    for change in &order.changes {
        let (name, json) = match check_edit(object, &plan.external_id, change) {
            Ok(checked) => checked,
            Err(refusal) => {
                wrong.push(format!("{}: {}", refusal.field, refusal.text));
                continue;
            }
        };
        // As the payload spells it already, so that no field is sent twice.
        let known = fields
            .keys()
            .chain(refused.keys())
            .find(|known| known.eq_ignore_ascii_case(&name));
        let name = known.cloned().unwrap_or(name);
        let old = fields.get(&name);
        let was_refused = refused.get(&name);
        // To give what was refused is an edit all the same: it is no longer the row's.
        if was_refused.is_none() && old.map(|json| json.get()) == json.as_deref() {
            continue;
        }
        if let Some(old) = old.or(was_refused) {
            before.insert(name.clone(), old.clone());
        }
        let new = json.and_then(|json| serde_json::value::RawValue::from_string(json).ok());
        match new {
            Some(new) => drop(after.insert(name, new)),
            // Left out: it stands in `before` alone.
            None if change.value == NewValue::Unset => {}
            None => wrong.push(format!("{}: the value cannot be written", change.field)),
        }
    }
    if !wrong.is_empty() {
        return Err(Declined {
            page: "LS6011".to_owned(),
            text: format!("nothing was changed: {}", wrong.join("; ")),
            remedy: "give values that the fields take; `leadstream dead-letters show` has the \
                     record as it is"
                .to_owned(),
        });
    }
    let text = |fields: &Fields| serde_json::to_string(fields).unwrap_or_else(|_| "{}".to_owned());
    let names = before.keys().chain(after.keys());
    let changed: std::collections::BTreeSet<String> = names.cloned().collect();
    Ok(Edited {
        letter: order.number,
        before: text(&before),
        after: text(&after),
        changed: changed.into_iter().collect(),
    })
}
