//! `leadstream audit forget`: takes a person out of everything that is kept.

use clap::Args;

use crate::cli::printer::Printer;
use crate::cli::read::{StateArgument, answer};
use crate::cli::time::moment;
use crate::cli::{FAILURE, Failed, Global};
use crate::operator::report::figures::count;
use crate::operator::{ForgetQuestion, Query, own_name};
use crate::runtime::{Error, clock};
use crate::state::{self, Holding, Person, TraceQuery};

#[derive(Args)]
pub struct Arguments {
    #[command(flatten)]
    who: Who,
    /// Of this route only: two routes may use one key for two people
    #[arg(long)]
    route: Option<String>,
    /// Erases without asking
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    state: StateArgument,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Who {
    /// The person's key: the external id's value
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// The person's e-mail address, in any case
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,
    /// The Salesforce id of the person's record
    #[arg(long, value_name = "ID")]
    salesforce_id: Option<String>,
}

impl Who {
    fn query(&self) -> TraceQuery {
        match (&self.email, &self.salesforce_id) {
            (Some(address), _) => TraceQuery::Email(address.clone()),
            (_, Some(id)) => TraceQuery::SalesforceId(id.clone()),
            _ => TraceQuery::Key(self.key.clone().unwrap_or_default()),
        }
    }
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let person = Person {
        what: arguments.who.query(),
        route: arguments.route.clone(),
    };
    let found = ask(global, arguments, &person, false, printer)?;
    if !global.json {
        tell(&found, printer)?;
    }
    let nothing = found.lines() == 0;
    // Without a value there may still be a name in the index, so it is asked all the same.
    let question = format!(
        "erase {} for good?",
        count(found.lines()) + " steps' values"
    );
    if !nothing && !arguments.yes && !printer.confirm(&question) {
        printer.error(
            None,
            "nothing was erased: it was not confirmed",
            Some("give --yes where nobody can answer"),
        );
        return Err(Failed::Said(FAILURE));
    }
    let erased = ask(global, arguments, &person, true, printer)?;
    if global.json {
        printer.json(&erased)?;
    } else if nothing {
        printer.note(
            "nothing is kept of this person: never captured, erased before, or past its retention",
        );
    } else {
        printer.data("erased     values, keys and salts; the chain verifies as before")?;
    }
    Ok(())
}

fn ask(
    global: &Global,
    arguments: &Arguments,
    person: &Person,
    erase: bool,
    printer: &Printer,
) -> Result<Holding, Failed> {
    let path = arguments.state.path(global, printer)?;
    let question = ForgetQuestion {
        person: person.clone(),
        erase,
    };
    if let Some(value) = answer(&path, &Query::Forget { what: question }, printer)? {
        return serde_json::from_value(value)
            .map_err(|error| Failed::Output(std::io::Error::other(error)));
    }
    // No service: the folder itself, which is locked meanwhile.
    let key_file = arguments.state.key_file(global, printer)?;
    let store = state::open_to_erase(&path, key_file).map_err(Error::State)?;
    let eraser = store.eraser();
    let done = if erase {
        eraser.erase(person, &own_name(), clock::wall())
    } else {
        eraser.find(person)
    };
    store.close().map_err(Error::State)?;
    Ok(done.map_err(Error::State)?)
}

fn tell(found: &Holding, printer: &Printer) -> std::io::Result<()> {
    for (kind, steps) in &found.steps {
        printer.data(&format!("{kind:<11}{} steps with values", count(*steps)))?;
    }
    if let (Some(first), Some(last)) = (found.first_at, found.last_at) {
        printer.data(&format!(
            "between    {} and {}",
            moment(first),
            moment(last)
        ))?;
    }
    Ok(())
}
