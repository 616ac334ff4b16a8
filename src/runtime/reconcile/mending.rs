//! Sends rows again: as snapshots of exactly these rows, one after the other, by the running service.

use std::time::Duration;

use super::report::RepairReport;
use super::{Ledger, SnapshotEnd, Watcher};
use crate::capture::Scan;
use crate::core::snapshot::KeyPart;
use crate::runtime::commands::Declined;

/// A condition stands in the journal with each chunk of its snapshot, so it is kept short.
const ROWS_OF_A_SNAPSHOT: usize = 1_000;

const ASK_EVERY: Duration = Duration::from_millis(200);

/// A row that was asked to be sent again.
pub(super) struct Mend {
    pub place: Vec<KeyPart>,
    /// Sending it may help.
    pub possible: bool,
}

pub(super) async fn mend(
    route: &str,
    mends: &[Mend],
    scan: &Scan,
    ledger: &dyn Ledger,
    watcher: &dyn Watcher,
) -> Result<RepairReport, Declined> {
    let possible = mends.iter().filter(|mend| mend.possible);
    let places: Vec<Vec<KeyPart>> = possible.map(|mend| mend.place.clone()).collect();
    let mut report = RepairReport {
        rows: 0,
        snapshots: Vec::new(),
        left_alone: (mends.len() - places.len()) as u64,
    };
    let what = format!("{route}: rows sent again");
    for group in places.chunks(ROWS_OF_A_SNAPSHOT) {
        let Some(condition) = scan.condition_for(group) else {
            report.left_alone += group.len() as u64;
            continue;
        };
        let number = ledger.start_snapshot(route, condition)?;
        wait_finished(number, ledger).await?;
        report.rows += group.len() as u64;
        report.snapshots.push(number);
        watcher.progress(&what, report.rows, Some(places.len() as u64));
    }
    Ok(report)
}

async fn wait_finished(number: u64, ledger: &dyn Ledger) -> Result<(), Declined> {
    loop {
        let failed = |text: String| Declined {
            page: "LS6034".to_owned(),
            text,
            remedy:
                "see `leadstream snapshot status`, mend what it names, and run the repair again"
                    .to_owned(),
        };
        match ledger.snapshot()? {
            Some((last, Some(SnapshotEnd::Finished))) if last == number => return Ok(()),
            Some((last, Some(SnapshotEnd::Otherwise(why)))) if last == number => {
                return Err(failed(format!(
                    "snapshot {number}, by which rows are sent again, did not finish: {why}"
                )));
            }
            Some((last, _)) if last > number => {
                return Err(failed(format!(
                    "snapshot {number}, by which rows are sent again, was followed by another"
                )));
            }
            // Still running, or not published yet.
            _ => tokio::time::sleep(ASK_EVERY).await,
        }
    }
}
