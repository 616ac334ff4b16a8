//! `leadstream run`: the service.

use super::{Failed, Global, load, runtime};
use crate::cli::printer::Printer;
use crate::config::LogFormat;
use crate::operator::{Access, Events, History, Operator, Port, View};
use crate::runtime::service::Service;
use crate::runtime::{Error, clock, shutdown};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{LogSettings, init};

/// Capture and driver share a core well; a second lets a call's compression run beside them.
const WORKER_THREADS: usize = 2;

pub fn run(global: &Global, printer: &Printer) -> Result<(), Failed> {
    let config = load(global, printer)?;
    let json = config.log.format == LogFormat::Json;
    init(&LogSettings {
        json,
        level: config.log.level.clone(),
    });
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"))
        .map_err(|error| Error::Runtime(std::io::Error::other(error)))?;
    let port = Port::bind(config.operator.listen)?;
    let address = port.address();
    let access = Access {
        token_file: config.operator.token_file.clone(),
        tls: config.operator.tls.clone(),
    };
    let scheme = if access.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let state = config.state.path.clone();
    let service = Service::open(config, metrics.clone())?;
    let view = View {
        published: service.published(),
        eraser: service.eraser(),
        index: service.index(),
        commands: service.commands(),
        metrics,
        history: History::default(),
        events: Events::default(),
        clock: clock::wall,
    };
    let operator = Operator::start(port, &state, access, view)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        operator = format!("{scheme}://{address}"),
        state = %state.display(),
        "leadstream starts"
    );
    let runtime = runtime(WORKER_THREADS)?;
    let result = runtime.block_on(async {
        let (trigger, signal) = shutdown::channel();
        let asked_twice = async {
            match shutdown::asked_by_signal().await {
                Ok(name) => tracing::info!(signal = name, "asked to stop; again to stop at once"),
                Err(error) => tracing::error!(%error, "signals cannot be received: stopping"),
            }
            trigger.pull();
            if shutdown::asked_by_signal().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            result = service.run(signal) => result,
            // What is not durable is read again at the next start.
            () = asked_twice => Err(Error::Interrupted),
        }
    });
    drop(operator);
    runtime.shutdown_background();
    Ok(result?)
}
