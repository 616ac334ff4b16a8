//! The service: from a checked config to a running pipeline, and back to rest.
//!
//! The order of a start: the operator's port and the state's lock first, because they fail at once
//! and for certain; then both sides, which may have to be waited for; then the stream. What only
//! time can mend is waited for, visibly; what a person must mend ends the start with its remedy.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::commands::{Command, Commands};
use super::driver::describing::Describing;
use super::driver::reporting::Books;
use super::driver::schemas::Schemas;
use super::driver::snapshots::SnapshotSource;
use super::driver::{Driver, Parts, RouteTarget};
use super::errors::with_causes;
use super::schemas::{self, Plans};
use super::shutdown::{self, Signal};
use super::status::{Published, Stage};
use super::waits::Waits;
use super::{Error, clock, first_start, first_status, observing, store_status, wiring};
use crate::capture::{self, CheckResult, LiveSchemas, Observation, SourceSettings, Start};
use crate::config::Config;
use crate::core::describe::ObjectDescribe;
use crate::core::entry::{Commit, Entry, Recovered, ServiceEvent};
use crate::core::mapping::Plan;
use crate::core::outcome::{Disposition, ErrorClass, RequestFailure};
use crate::core::pipeline::Pipeline;
use crate::core::position::{Checkpoint, Position};
use crate::core::schema::TableSchema;
use crate::core::snapshot::{self, Snapshot, SnapshotReason, SnapshotRequest};
use crate::core::source_row::Lack;
use crate::delivery::{self, Org};
use crate::state::{Eraser, IndexHandle, JournalHandle, Store};
use crate::telemetry::metrics::Metrics;

/// A service that holds its state and has not looked at the world yet.
pub struct Service {
    config: Config,
    store: Store,
    recovered: Recovered,
    published: Published,
    metrics: Metrics,
    commands: (Commands, mpsc::Receiver<Command>),
}

/// Pieces of the stream between capture and the driver. Rows are bounded by the window, in bytes;
/// this bounds the pieces that carry no rows.
const CHUNKS_QUEUED: usize = 64;
/// Orders for the snapshot's reader: one chunk is under way at a time.
const ORDERS_QUEUED: usize = 4;

impl Service {
    /// Takes the state folder's lock and recovers.
    ///
    /// # Errors
    /// When the folder is locked, damaged or cannot be written.
    pub fn open(config: Config, metrics: Metrics) -> Result<Self, Error> {
        let (store, recovered) =
            Store::open(wiring::state_settings(&config)).map_err(Error::State)?;
        if recovered.torn_bytes > 0 {
            tracing::warn!(
                bytes = recovered.torn_bytes,
                "cut an unfinished commit off the journal: it was never acknowledged"
            );
        }
        for (route, totals) in &recovered.totals {
            if totals.parked > 0 && !config.routes.iter().any(|known| known.name == *route) {
                tracing::error!(
                    route,
                    parked = totals.parked,
                    "records of a route that the config no longer has stay parked"
                );
            }
        }
        let status = first_status::durable(&config, &recovered);
        for route in &status.routes {
            let books = Books {
                route: &route.name,
                captured: route.captured,
                in_flight: route.in_flight,
                totals: &route.totals,
            };
            books.show(&metrics);
        }
        let parked_limit = i64::try_from(config.state.max_parked_bytes).unwrap_or(i64::MAX);
        metrics.parked_limit.set(parked_limit);
        let published = Published::new(status);
        Ok(Self {
            config,
            store,
            recovered,
            published,
            metrics,
            commands: Commands::channel(),
        })
    }

    /// The way in for commands.
    #[must_use]
    pub fn commands(&self) -> Commands {
        self.commands.0.clone()
    }

    #[must_use]
    pub fn published(&self) -> Published {
        self.published.clone()
    }

    pub fn eraser(&self) -> Eraser {
        self.store.eraser()
    }

    #[must_use]
    pub fn index(&self) -> IndexHandle {
        self.store.index()
    }

    /// Runs until the signal wishes it to stop.
    ///
    /// # Errors
    /// What a person must mend before a start can work, or a journal that cannot be written.
    pub async fn run(self, signal: Signal) -> Result<(), Error> {
        let Service {
            config,
            store,
            mut recovered,
            published,
            metrics,
            commands: (_, commands),
        } = self;
        let prepare = Prepare {
            config: &config,
            published: &published,
            journal: store.journal(),
        };
        let mut stop = signal.clone();
        let (journal, index) = (store.journal(), store.index());
        let prepared = tokio::select! {
            biased;
            () = shutdown::requested(&mut stop) => None,
            prepared = prepare.all(&recovered) => Some(prepared?),
            never = store_status::keep_showing(&journal, &index, &metrics, &published) => match never {},
        };
        if let Some(prepared) = prepared {
            if prepared.snapshot.is_some() {
                recovered.snapshot.clone_from(&prepared.snapshot);
            }
            stream(
                &config, &store, recovered, prepared, &published, metrics, commands, signal,
            )
            .await?;
        }
        store.close().map_err(Error::State)?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Waits for both sides and learns what they look like.
struct Prepare<'a> {
    config: &'a Config,
    published: &'a Published,
    journal: JournalHandle,
}

/// What a stream needs of both sides.
struct Prepared {
    org: Org,
    tables: Vec<TableSchema>,
    live: Option<LiveSchemas>,
    /// As the journal has them.
    remembered: Vec<TableSchema>,
    plans: Vec<Arc<Plan>>,
    /// By `RouteId`.
    lacks: Vec<Option<Lack>>,
    describing: Describing,
    /// Durable.
    checkpoint: Checkpoint,
    /// That a first start begins with; durable with the checkpoint.
    snapshot: Option<Snapshot>,
}

impl Prepare<'_> {
    async fn all(&self, recovered: &Recovered) -> Result<Prepared, Error> {
        let org = Org::new(wiring::org_settings(self.config), clock::wall).map_err(Error::Org)?;
        let mut tables = self.tables(recovered).await?;
        let mut live = None;
        // Else the stream begins with the tables as they are now.
        if recovered.checkpoint.is_some() || self.config.source.start == Start::Earliest {
            if schemas::has_uncertain_defaults(&tables, &recovered.schemas) {
                // The end first: what the tables look like then holds behind it.
                let settings = wiring::source_settings(self.config);
                if let Some(behind) = self.binlog_end(&settings).await {
                    tables = self.tables(recovered).await?;
                    let tables = tables.clone();
                    live = Some(LiveSchemas { behind, tables });
                }
            }
            schemas::forget_uncertain_defaults(&mut tables, &recovered.schemas);
        }
        first_start::warn_of_unread_rows(self.config.source.start, recovered);
        // Before Salesforce is waited for: rows that come meanwhile are not to be missed.
        let mut remembered = recovered.schemas.clone();
        let (checkpoint, snapshot) = match recovered.checkpoint.clone() {
            Some(checkpoint) => (checkpoint, None),
            None => {
                remembered = schemas::fitting(&tables, &wiring::tables_by_config(self.config));
                self.begin(&tables).await?
            }
        };
        let objects = self.objects(&org).await?;
        let specs = wiring::mapping_specs(self.config);
        let Plans {
            plans,
            lacks,
            changed,
        } = schemas::compile(&specs, &tables, &recovered.schemas, &objects)
            .map_err(Error::Mapping)?;
        let remembered = schemas::remembered(&remembered, &changed);
        if !changed.is_empty() {
            let commit = Commit {
                schemas: changed,
                at: clock::wall(),
                ..Commit::default()
            };
            self.make_durable(commit).await?;
        }
        let describing = Describing {
            specs,
            tables: tables.clone(),
            former: recovered.schemas.clone(),
            objects,
            retry_ms: self.config.retry.cap_ms,
        };
        Ok(Prepared {
            org,
            tables,
            live,
            remembered,
            plans,
            lacks,
            describing,
            checkpoint,
            snapshot,
        })
    }

    /// Where the source's binlog ends now. Without it defaults of columns stay unknown as long as
    /// this process lives: what passes is waited for, anything else is said, and matters only to
    /// rows that come without a column.
    async fn binlog_end(&self, settings: &SourceSettings) -> Option<Position> {
        let mut waits = self.waits();
        loop {
            match capture::binlog_end(settings).await {
                Ok(end) => {
                    self.published.update(|status| status.source.trouble = None);
                    return Some(end);
                }
                Err(error) if needs_a_person(&error) => {
                    tracing::warn!(
                        page = error.page(),
                        remedy = error.remedy(),
                        "the end of the binlog cannot be read: defaults of columns that changed are \
                         not known until a restart: {}",
                        with_causes(&error)
                    );
                    return None;
                }
                Err(error) => self.wait_for_mysql(&mut waits, &error).await,
            }
        }
    }

    async fn make_durable(&self, commit: Commit) -> Result<(), Error> {
        let (sender, receiver) = oneshot::channel();
        let done = move |result| {
            // Gone only when the start was given up.
            let _ = sender.send(result);
        };
        self.journal.submit(commit, Box::new(done));
        let receipt = receiver.await.map_err(|_| Error::CaptureEnded)?;
        receipt.map(|_| ()).map_err(Error::Commit)
    }

    fn waits(&self) -> Waits {
        Waits::new(&self.config.retry)
    }

    async fn tables(&self, recovered: &Recovered) -> Result<Vec<TableSchema>, Error> {
        let remembered = &recovered.schemas;
        let has_started = recovered.checkpoint.is_some();
        let settings = wiring::source_settings(self.config);
        let tables = wiring::tables_by_config(self.config);
        let mut waits = self.waits();
        loop {
            let report = capture::preflight(&settings, &tables).await;
            let (mut warnings, mut failures) = (Vec::new(), Vec::new());
            for check in report.checks {
                match check.result {
                    CheckResult::Passed(_) => {}
                    CheckResult::Warning(error) => warnings.push(error),
                    // The mapping says it too, with the key that names the column.
                    CheckResult::Failed(capture::Error::ColumnMissing { .. }) => {}
                    CheckResult::Failed(error) if schemas::may_wait(&error, remembered) => {
                        warnings.push(error);
                    }
                    CheckResult::Failed(error)
                        if first_start::needs_no_key(
                            &error,
                            has_started,
                            settings.on_history_lost,
                        ) =>
                    {
                        warnings.push(error);
                    }
                    CheckResult::Failed(error) => failures.push(error),
                }
            }
            // A failure that lasts outweighs one that passes.
            if failures.iter().any(needs_a_person) {
                failures.retain(needs_a_person);
                // Two grants that are missing are mended by one statement.
                failures.dedup_by_key(|error| error.remedy());
                return Err(Error::Preflight(failures));
            }
            let Some(error) = failures.into_iter().next() else {
                for error in warnings {
                    tracing::warn!(page = error.page(), remedy = error.remedy(), "{error}");
                }
                self.published.update(|status| status.source.trouble = None);
                return Ok(report.tables);
            };
            self.wait_for_mysql(&mut waits, &error).await;
        }
    }

    async fn wait_for_mysql(&self, waits: &mut Waits, error: &capture::Error) {
        let (trouble, delay) = waits.next(error.page(), with_causes(error), error.remedy());
        tracing::warn!(
            page = error.page(),
            remedy = error.remedy(),
            delay_ms = delay.as_millis() as u64,
            "waiting for MySQL: {}",
            trouble.text
        );
        self.published
            .update(|status| status.source.trouble = Some(trouble));
        tokio::time::sleep(delay).await;
    }

    /// Where a first start begins; durable before anything else, so that neither a crash nor a wait
    /// can move it.
    async fn begin(&self, tables: &[TableSchema]) -> Result<(Checkpoint, Option<Snapshot>), Error> {
        let settings = wiring::source_settings(self.config);
        let mut waits = self.waits();
        let snapshot = self.first_snapshot(&settings, &mut waits).await?;
        let checkpoint = loop {
            match capture::resolve_start(&settings).await {
                Ok(checkpoint) => break checkpoint,
                Err(error) if needs_a_person(&error) => {
                    return Err(Error::Source(Box::new(error)));
                }
                Err(error) => self.wait_for_mysql(&mut waits, &error).await,
            }
        };
        tracing::info!(position = %checkpoint.position, "first start: beginning here");
        let mut entries = vec![Entry::Service {
            event: ServiceEvent::StartResolved,
            detail: checkpoint.position.to_string(),
        }];
        entries.extend(snapshot.as_ref().map(|snapshot| Entry::Service {
            event: ServiceEvent::SnapshotStarted,
            detail: snapshot.to_string(),
        }));
        let commit = Commit {
            entries,
            checkpoint: Some(checkpoint.clone()),
            snapshot: snapshot.clone(),
            // With the place: a start that ends here leaves behind what the tables were like there.
            schemas: schemas::fitting(tables, &wiring::tables_by_config(self.config)),
            at: clock::wall(),
            ..Commit::default()
        };
        self.make_durable(commit).await?;
        self.published.update(|status| status.source.trouble = None);
        Ok((checkpoint, snapshot))
    }

    /// The snapshot of `start = "snapshot"`, once the source says that it can be read.
    async fn first_snapshot(
        &self,
        settings: &SourceSettings,
        waits: &mut Waits,
    ) -> Result<Option<Snapshot>, Error> {
        if settings.start != Start::Snapshot {
            return Ok(None);
        }
        let request = SnapshotRequest {
            reason: SnapshotReason::FirstStart,
            routes: None,
            condition: None,
        };
        let routes = self.config.routes.iter();
        let routes = routes.map(|route| (route.name.as_str(), &route.table));
        let Ok(snapshot) = snapshot::plan(1, routes, &request, clock::wall()) else {
            // Nothing in this request can be refused.
            return Ok(None);
        };
        let tables = wiring::tables_by_config(self.config);
        loop {
            match capture::check_snapshot(settings, &tables, &snapshot).await {
                Ok(()) => return Ok(Some(snapshot)),
                Err(error) if needs_a_person(&error) => {
                    return Err(Error::Source(Box::new(error)));
                }
                Err(error) => self.wait_for_mysql(waits, &error).await,
            }
        }
    }

    async fn objects(&self, org: &Org) -> Result<HashMap<String, ObjectDescribe>, Error> {
        let mut objects = HashMap::new();
        let mut waits = self.waits();
        for route in &self.config.routes {
            while !objects.contains_key(&route.object) {
                match org.describe(&route.object).await {
                    Ok(describe) => {
                        objects.insert(route.object.clone(), describe);
                    }
                    // A used-up quota comes back by itself; everything else that pauses needs a person.
                    Err(failure)
                        if failure.disposition == Disposition::Pause
                            && failure.class != ErrorClass::Quota =>
                    {
                        return Err(Error::Describe {
                            object: route.object.clone(),
                            failure: Box::new(failure),
                        });
                    }
                    Err(failure) => self.wait_for_salesforce(&mut waits, &failure).await,
                }
            }
        }
        self.published
            .update(|status| status.delivery.trouble = None);
        Ok(objects)
    }

    async fn wait_for_salesforce(&self, waits: &mut Waits, failure: &RequestFailure) {
        let text = failure.line();
        let remedy = delivery::remedy(failure.page).to_string();
        let (trouble, delay) = waits.next(failure.page, text, remedy);
        let delay = delay.max(Duration::from_millis(failure.retry_after_ms.unwrap_or(0)));
        tracing::warn!(
            page = failure.page,
            remedy = trouble.remedy,
            delay_ms = delay.as_millis() as u64,
            "waiting for Salesforce: {}",
            trouble.text
        );
        self.published
            .update(|status| status.delivery.trouble = Some(trouble));
        tokio::time::sleep(delay).await;
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one call, each used once"
)]
async fn stream(
    config: &Config,
    store: &Store,
    recovered: Recovered,
    prepared: Prepared,
    published: &Published,
    metrics: Metrics,
    commands: mpsc::Receiver<Command>,
    signal: Signal,
) -> Result<(), Error> {
    let Prepared {
        org,
        tables: table_schemas,
        live,
        remembered,
        plans,
        lacks,
        describing,
        checkpoint,
        snapshot: _,
    } = prepared;
    let (capture_stop, capture_signal) = shutdown::channel();
    let (events, capture) = mpsc::channel(CHUNKS_QUEUED);
    let window_bytes = config.source.window_bytes;
    let window = Arc::new(Semaphore::new(window_bytes as usize));
    let (snapshot_orders, orders) = mpsc::channel(ORDERS_QUEUED);
    let (observed, observations) = watch::channel(Observation::default());
    let mut settings = wiring::source_settings(config);
    settings
        .server_id
        .get_or_insert(capture::derived_server_id(&settings, store.id()));
    settings.snapshot_filters = wiring::snapshot_filters(config, &plans);
    let tables = wiring::tables_by_plan(config, &plans);
    let snapshot_source = SnapshotSource {
        settings: Arc::new(settings.clone()),
        tables: tables.clone().into(),
    };
    let reader = capture::Parts {
        settings,
        tables,
        checkpoint: checkpoint.clone(),
        schemas: table_schemas,
        live: live.clone(),
        window: Arc::clone(&window),
        window_bytes,
        events,
        orders,
        observed,
        clock: clock::wall,
    };
    let reader = tokio::spawn(capture::run(reader, capture_signal));
    let shown = observing::show(observations, published.clone(), metrics.clone());
    let shown = tokio::spawn(shown);
    let setups = wiring::route_setups(config, &plans, lacks);
    let seed = clock::wall().0.unsigned_abs() ^ u64::from(std::process::id());
    let settings = wiring::pipeline_settings(config, seed);
    let routes = setups
        .iter()
        .zip(wiring::auto_assign(config))
        .zip(&config.routes)
        .map(|((setup, auto_assign), route)| RouteTarget {
            name: setup.name.clone(),
            plan: Arc::clone(&setup.plan),
            auto_assign,
            on_duplicate: route.on_duplicate,
        })
        .collect();
    published.update(|status| status.stage = Stage::Running);
    let pacing = wiring::pacing(config, store.recovered_api_calls(), clock::now());
    let pipeline = Pipeline::new(settings, setups, &recovered, checkpoint.clone());
    let parts = Parts {
        pipeline: pipeline
            .with_pacing(pacing)
            .with_policies(wiring::policies(config)),
        journal: store.journal(),
        room: store.journal().follow_room(),
        index: store.index(),
        org,
        spool: store.spool(),
        routes,
        window,
        capture,
        snapshot_orders,
        snapshot_source,
        commands,
        capture_stop,
        signal,
        shutdown_grace_ms: config.operator.shutdown_grace_ms,
        published: published.clone(),
        metrics,
        checkpoint,
        schemas: Schemas::new(remembered, live),
    };
    let driver = Driver::new(parts, describing);
    let result = driver.run().await;
    reader.abort();
    shown.abort();
    result
}

/// Whether a start with this failure ends: a running service may wait for a rotated password or a
/// grant, a service that is being set up must say so.
fn needs_a_person(error: &capture::Error) -> bool {
    error.is_permanent()
        || matches!(
            error,
            capture::Error::AccessDenied { .. }
                | capture::Error::AuthPlugin { .. }
                | capture::Error::Certificate { .. }
                | capture::Error::Privilege { .. }
                | capture::Error::ReplicaUnlogged
        )
}
