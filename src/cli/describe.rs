//! `leadstream describe`: the running service reads its objects' descriptions now, not within the
//! hour.

use super::read::StateArgument;
use super::{Failed, Global};
use crate::cli::printer::Printer;
use crate::operator::{Described, Query};

pub fn run(global: &Global, state: &StateArgument, printer: &Printer) -> Result<(), Failed> {
    let value = state.command(global, &Query::Describe, printer)?;
    if global.json {
        printer.json(&value)?;
        return Ok(());
    }
    let changed = serde_json::from_value::<Described>(value).map_or(0, |it| it.changed);
    printer.data(&match changed {
        0 => "no object has changed in Salesforce".to_owned(),
        1 => "one object has changed in Salesforce; see `leadstream status`".to_owned(),
        many => format!("{many} objects have changed in Salesforce; see `leadstream status`"),
    })?;
    Ok(())
}
