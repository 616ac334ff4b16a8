//! Erasing a person, asked on the control socket.

use serde::{Deserialize, Serialize};

use super::View;
use super::questions::{Reply, failed_inside, value};
use crate::state::Person;

/// Who, and whether only to look.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ForgetQuestion {
    pub person: Person,
    /// False: what would be erased is told, and nothing is changed.
    pub erase: bool,
}

/// Answered with what there was. The journal is read from end to end meanwhile, beside the
/// pipeline.
pub(super) async fn answer(question: ForgetQuestion, view: View, author: &str) -> Reply {
    let author = author.to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let ForgetQuestion { person, erase } = question;
        if erase {
            view.eraser.erase(&person, &author, (view.clock)())
        } else {
            view.eraser.find(&person)
        }
    });
    asked.await.map_or_else(|_| failed_inside(), value)
}
