//! `leadstream demo`: everything at work on this machine. Starts a MySQL of its own, a Salesforce
//! org, a lead generator and `leadstream run`, shows what happens, and compares the books of all
//! three at the end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use salesforce_sandbox::{Action, Fault, OrgConfig, Sandbox};
use tokio::time::Instant;

use super::time::duration;
use super::{FAILURE, Failed, runtime};
use crate::cli::printer::Printer;
use crate::core::secret::Secret;
use crate::operator::{Query, Reply, Role, ask, token_file};
use crate::rehearsal::leads::{Form, Lead, People};
use crate::rehearsal::service::{ServiceOptions, free_port, write_config};
use crate::rehearsal::{MysqlOptions, MysqlServer, ServiceProcess};
use crate::runtime::status::Status;
use crate::runtime::{clock, shutdown};

#[derive(Args)]
pub struct Arguments {
    /// Ends by itself after so many seconds, checks the books and exits 0 if they balance
    /// [default: runs until Ctrl-C]
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Leads a minute, on average; they come in bursts
    #[arg(long, default_value_t = 1_200, value_name = "LEADS")]
    rate: u64,
    /// Begins with another set of invented people
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Everything that runs. Dropped, it is stopped and its folder removed.
struct Stage {
    folder: tempfile::TempDir,
    mysql: MysqlServer,
    org: Sandbox,
    service: ServiceProcess,
    state: PathBuf,
    port: u16,
    /// Lets whoever watches in at the console.
    token: Secret,
}

/// How long a start, and the last records at the end, may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often the demo looks at the service.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// One in so many leads is filled in badly.
const INVALID_ONE_IN: u64 = 40;

pub fn run(arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let runtime = runtime(2)?;
    runtime.block_on(play(arguments, printer)).map_err(|text| {
        printer.error(
            None,
            &text,
            Some("see the log named above; `make setup` installs what the demo needs"),
        );
        Failed::Said(FAILURE)
    })
}

async fn play(arguments: &Arguments, printer: &Printer) -> Result<(), String> {
    let mut asked = Box::pin(shutdown::asked_by_signal());
    let mut stage = tokio::select! {
        _ = &mut asked => return Ok(()),
        stage = set_up(printer) => stage?,
    };
    introduce(&stage, arguments, printer);
    let end = arguments
        .seconds
        .map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let inserted = tokio::select! {
        _ = &mut asked => None,
        inserted = generate(&mut stage, arguments, end, printer) => Some(inserted?),
    };
    printer.progress_done();
    printer.note("no more leads: waiting for the last ones to get their outcome");
    let inserted = match inserted {
        Some(inserted) => inserted,
        None => count_rows(&stage).await?,
    };
    let status = settle(&mut stage, inserted).await?;
    let balanced = compare(&stage, inserted, &status, printer).map_err(|e| e.to_string())?;
    stage
        .service
        .terminate()
        .map_err(|error| error.to_string())?;
    let exit = tokio::task::block_in_place(|| stage.service.wait(Duration::from_secs(30)));
    if !exit.is_some_and(|exit| exit.success()) {
        return Err(format!(
            "leadstream did not stop cleanly:\n{}",
            stage.service.log()
        ));
    }
    stage.mysql.stop().map_err(|error| error.to_string())?;
    if balanced {
        Ok(())
    } else {
        Err("the books do not balance".to_owned())
    }
}

async fn set_up(printer: &Printer) -> Result<Stage, String> {
    let text = |error: &dyn std::error::Error| super::with_causes(error);
    let install = MysqlServer::locate().map_err(|error| text(&error))?;
    printer.note("starting MySQL (the first time it makes its data folder: half a minute)");
    let mysql =
        tokio::task::spawn_blocking(move || MysqlServer::start(&install, MysqlOptions::default()))
            .await
            .map_err(|error| text(&error))?
            .map_err(|error| text(&error))?;
    printer.note("starting the Salesforce sandbox");
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let org = Sandbox::start(anywhere, OrgConfig::default()).map_err(|error| text(&error))?;
    org.faults().add(
        Fault::new(Action::RecordError {
            status_code: "FIELD_CUSTOM_VALIDATION_EXCEPTION".to_owned(),
            message: "Leads of this campaign need a callback date.".to_owned(),
            fields: Vec::new(),
        })
        .probability(0.01, 7),
    );
    // The table must be there before leadstream looks for it.
    Form::open(&mysql.url("root"))
        .await
        .map_err(|error| text(&error))?;
    printer.note("starting leadstream");
    let folder = tempfile::Builder::new()
        .prefix("leadstream-demo-")
        .tempdir()
        .map_err(|error| text(&error))?;
    let state = folder.path().join("state");
    let port = free_port().map_err(|error| text(&error))?;
    let tokens = folder.path().join("tokens");
    let (token, _) =
        token_file::add(&tokens, "demo", Role::Operator, None).map_err(|error| text(&error))?;
    let options = ServiceOptions {
        program: std::env::current_exe().map_err(|error| text(&error))?,
        config: write_config(folder.path()).map_err(|error| text(&error))?,
        environment: environment(&mysql, &org, &state, port, &tokens),
        log: folder.path().join("leadstream.log"),
    };
    let service = ServiceProcess::start(&options).map_err(|error| text(&error))?;
    let mut stage = Stage {
        folder,
        mysql,
        org,
        service,
        state,
        port,
        token,
    };
    wait_for(&mut stage, "leadstream to stream", |status| {
        status.source.connected
    })
    .await?;
    Ok(stage)
}

fn environment(
    mysql: &MysqlServer,
    org: &Sandbox,
    state: &Path,
    port: u16,
    tokens: &Path,
) -> Vec<(String, String)> {
    [
        ("LEADSTREAM_SOURCE__URL", mysql.url("root")),
        ("LEADSTREAM_SALESFORCE__LOGIN_URL", org.base_url()),
        (
            "LEADSTREAM_SALESFORCE__AUTH__CLIENT_SECRET",
            "leadstream-demo-secret".to_owned(),
        ),
        ("LEADSTREAM_STATE__PATH", state.display().to_string()),
        ("LEADSTREAM_OPERATOR__LISTEN", format!("127.0.0.1:{port}")),
        (
            "LEADSTREAM_OPERATOR__TOKEN_FILE",
            tokens.display().to_string(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

fn introduce(stage: &Stage, arguments: &Arguments, printer: &Printer) {
    let state = stage.state.display();
    let program = std::env::current_exe().map_or_else(
        |_| "leadstream".to_owned(),
        |path| path.display().to_string(),
    );
    printer.note(&format!(
        "\n  MySQL       {}\n  Salesforce  {}/   (the sandbox: a page that shows what arrived)\n  \
         leadstream  http://127.0.0.1:{}   (the console)\n  sign in     {}   (the token of this demo)\n  \
         log         {}\n\n  \
         In another terminal:\n    {program} status --state {state}\n    \
         {program} dead-letters list --state {state}   (who waits, and what to do)\n    \
         {program} trace 1 --state {state}\n",
        stage.mysql.url("root"),
        stage.org.base_url(),
        stage.port,
        stage.token.expose(),
        stage.folder.path().join("leadstream.log").display(),
    ));
    let until = match arguments.seconds {
        Some(seconds) => format!("for {seconds} s"),
        None => "until Ctrl-C".to_owned(),
    };
    printer.note(&format!(
        "people fill in the form {until}, about {} a minute",
        arguments.rate
    ));
}

/// Inserts leads in bursts and shows how they fare; gives how many.
async fn generate(
    stage: &mut Stage,
    arguments: &Arguments,
    end: Option<Instant>,
    printer: &Printer,
) -> Result<u64, String> {
    let mut form = Form::open(&stage.mysql.url("root"))
        .await
        .map_err(|e| e.to_string())?;
    let mut people = People::new(arguments.seed, INVALID_ONE_IN);
    let mut inserted = 0;
    let mut shown = Instant::now();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mean =
        (arguments.rate * u64::try_from(LOOK_EVERY.as_millis()).unwrap_or(1)).div_ceil(60_000);
    while end.is_none_or(|end| Instant::now() < end) {
        ticks.tick().await;
        // Nothing, a few, or now and then a crowd.
        let burst = match people.below(20) {
            0 => mean * 10,
            1..=9 => 0,
            _ => people.below(2 * mean + 1),
        };
        let leads: Vec<Lead> = (0..burst).map(|_| people.next_lead()).collect();
        form.submit(&leads)
            .await
            .map_err(|error| error.to_string())?;
        inserted += burst;
        if shown.elapsed() >= Duration::from_secs(1) {
            shown = Instant::now();
            let status = look(stage)?;
            show(&status, inserted, printer);
        }
    }
    Ok(inserted)
}

fn show(status: &Status, inserted: u64, printer: &Printer) {
    let Some(route) = status.routes.first() else {
        return;
    };
    let totals = &route.totals;
    let lag = duration(status.lag_seconds(clock::wall()));
    let what = format!(
        "{inserted} leads written; {} in Salesforce, {} set aside, {} on their way, oldest {lag}",
        totals.delivered(),
        totals.dead_letters_open,
        route.in_flight + totals.parked,
    );
    printer.progress(
        &what,
        totals.delivered() + totals.dead_letters_open,
        Some(inserted),
    );
}

/// Asks the service how it is.
fn look(stage: &mut Stage) -> Result<Status, String> {
    if !stage.service.is_running() {
        return Err(format!("leadstream ended:\n{}", stage.service.log()));
    }
    match ask(&stage.state, &Query::Status) {
        Ok(Some(Reply::Value(value))) => {
            serde_json::from_value(value).map_err(|error| error.to_string())
        }
        Ok(Some(Reply::Failure(failure))) => Err(failure.text),
        Ok(None) => Err("leadstream does not answer yet".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn wait_for(
    stage: &mut Stage,
    what: &str,
    done: impl Fn(&Status) -> bool,
) -> Result<Status, String> {
    let deadline = Instant::now() + PATIENCE;
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let status = look(stage);
        match status {
            Ok(status) if done(&status) => return Ok(status),
            _ if !stage.service.is_running() => {
                return Err(format!("leadstream ended:\n{}", stage.service.log()));
            }
            _ if Instant::now() >= deadline => {
                return Err(format!(
                    "waited in vain for {what}:\n{}",
                    stage.service.log()
                ));
            }
            _ => {}
        }
    }
}

async fn settle(stage: &mut Stage, inserted: u64) -> Result<Status, String> {
    wait_for(stage, "every lead to have its outcome", |status| {
        status.routes.first().is_some_and(|route| {
            route.captured >= inserted && route.in_flight == 0 && route.totals.parked == 0
        }) && status.state.index_applied == status.state.last_commit
    })
    .await
}

async fn count_rows(stage: &Stage) -> Result<u64, String> {
    let mut form = Form::open(&stage.mysql.url("root"))
        .await
        .map_err(|e| e.to_string())?;
    form.count().await.map_err(|error| error.to_string())
}

/// Prints the books of all three sides; whether they agree.
fn compare(
    stage: &Stage,
    inserted: u64,
    status: &Status,
    printer: &Printer,
) -> std::io::Result<bool> {
    let Some(route) = status.routes.first() else {
        return Ok(false);
    };
    let totals = &route.totals;
    let in_org = stage.org.stats().leads;
    let waiting = dead_letters_by_cause(stage);
    printer.data("")?;
    printer.data(&format!("MySQL        {inserted} rows committed"))?;
    // By whoever tried the commands meanwhile.
    let discarded = match totals.discarded {
        0 => String::new(),
        discarded => format!(" + {discarded} discarded"),
    };
    printer.data(&format!(
        "leadstream   {} captured = {} delivered + {} dead letters + {} skipped{discarded}",
        route.captured,
        totals.delivered(),
        totals.dead_letters_open,
        totals.skipped_total()
    ))?;
    printer.data(&format!("Salesforce   {in_org} leads"))?;
    for (cause, count) in &waiting {
        printer.data(&format!("  {count} wait for a person: {cause}"))?;
    }
    // A snapshot hands rows to the route that the stream has brought already.
    let agree = match &status.snapshot {
        None => route.captured == inserted && totals.delivered() == in_org,
        Some(_) => route.captured >= inserted && totals.delivered() >= in_org,
    };
    if status.snapshot.is_some() {
        printer.data("a snapshot was run: its rows count a second time")?;
    }
    let balanced = route.balances
        && agree
        && waiting.iter().map(|(_, count)| count).sum::<u64>() == totals.dead_letters_open;
    printer.data(if balanced {
        "the books balance"
    } else {
        "THE BOOKS DO NOT BALANCE"
    })?;
    Ok(balanced)
}

fn dead_letters_by_cause(stage: &Stage) -> Vec<(String, u64)> {
    let query = Query::DeadLetters {
        filter: Default::default(),
        limit: 1_000_000,
        offset: 0,
    };
    let mut causes = std::collections::BTreeMap::new();
    if let Ok(Some(Reply::Value(rows))) = ask(&stage.state, &query) {
        for row in rows.as_array().into_iter().flatten() {
            let text = |name: &str| {
                row.get(name)
                    .and_then(|v| v.as_str())
                    .unwrap_or("?")
                    .to_owned()
            };
            *causes
                .entry(format!("{} ({})", text("code"), text("class")))
                .or_insert(0) += 1;
        }
    }
    causes.into_iter().collect()
}
