//! One route's comparison: a first look at everything, a second one at what did not agree.
//!
//! The first look reads the records into a sieve (or, of a part of a table, asks for its keys) and
//! lets the rows through it. What stays is looked at again when the stream has come to where the rows
//! were read: row, record, row once more. Only what stood still meanwhile is reported.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::Value as Json;

use super::asking::{Asking, By, Record, id_of, keys_in_a_call};
use super::mending::{Mend, mend};
use super::report::{Finding, RouteReport};
use super::{Prepared, Repair, Request, Watcher};
use crate::capture::{Scan, ScanSpec, ScannedRow};
use crate::config::Config;
use crate::core::change::Change;
use crate::core::position::Position;
use crate::core::reconcile::{
    Difference, Expected, Met, Reason, Sieve, Verdict, calls_for, explain, has_passed, judge,
};
use crate::core::snapshot::KeyPart;
use crate::runtime::commands::Declined;
use crate::runtime::wiring;

/// Rows that are looked at twice, and extra records that are named: a hundred bytes each.
const LOOKED_AT: usize = 100_000;
/// Rows that wait for the first look at their records; one to three calls.
const ASKED_AT_ONCE: usize = 500;
/// Rows of one second look, held in memory whole.
const AGAIN_AT_ONCE: usize = 5_000;
/// So often the service is asked whether it has come to a place, and for so long.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASKS: u32 = 600;

/// A route's comparison, and whether rows may be missing because no service runs.
pub(super) struct Compared {
    pub report: RouteReport,
    pub behind: bool,
}

/// A row that did not agree at the first look.
struct Suspect {
    place: Vec<KeyPart>,
    key: String,
}

/// A row with what would be sent of it.
struct Row {
    place: Vec<KeyPart>,
    key: String,
    expected: Expected,
}

pub(super) async fn compare(
    config: &Config,
    request: &Request,
    route: &Prepared,
    asking: &mut Asking<'_>,
    watcher: &dyn Watcher,
) -> Result<Compared, Declined> {
    let spec = ScanSpec {
        table: route.spec.table.clone(),
        columns: route.plan.columns.clone(),
        narrow: request.narrow.clone(),
    };
    let scan = Scan::open(&wiring::source_settings(config), spec).await?;
    let mut look = Look {
        route,
        request,
        scan,
        asking,
        watcher,
        report: new_report(route),
        behind: false,
        stands: false,
        suspects: Vec::new(),
        mends: Vec::new(),
    };
    let sieve = look.first().await?;
    look.second().await?;
    if let Some(sieve) = sieve.filter(|_| route.alone) {
        look.extras(&sieve).await?;
    }
    look.mend().await?;
    Ok(Compared {
        report: look.report,
        behind: look.behind,
    })
}

struct Look<'l, 'a> {
    route: &'l Prepared,
    request: &'l Request,
    scan: Scan,
    asking: &'l mut Asking<'a>,
    watcher: &'l dyn Watcher,
    report: RouteReport,
    behind: bool,
    /// The checkpoint was waited for in vain: not once more for each group.
    stands: bool,
    suspects: Vec<Suspect>,
    mends: Vec<Mend>,
}

impl Look<'_, '_> {
    /// Everything once; what does not agree becomes a suspect.
    async fn first(&mut self) -> Result<Option<Sieve>, Declined> {
        let name = self.route.spec.route.as_str();
        let estimate = self.scan.estimate().await?;
        let mut sieve = match self.request.narrow.is_empty() {
            true => Some(self.sieve().await?),
            false => {
                let rows = estimate.unwrap_or(0);
                let at_once = keys_in_a_call(&self.route.comparison, "1234567890");
                self.plan(calls_for(rows, at_once))?;
                None
            }
        };
        let mut pending = Vec::new();
        while let Some(rows) = self.scan.next().await? {
            self.report.rows += rows.len() as u64;
            for row in rows {
                let row = self.expect(row);
                let met = self.meet(sieve.as_mut(), &row);
                match (met, &row.expected) {
                    (_, Expected::LeftOut) => self.report.left_out += 1,
                    (Met::Same, Expected::Record(_)) => self.report.equal += 1,
                    (_, Expected::Record(_) | Expected::Invalid) => pending.push(row),
                }
            }
            while pending.len() >= ASKED_AT_ONCE {
                let rest = pending.split_off(ASKED_AT_ONCE);
                let group = std::mem::replace(&mut pending, rest);
                self.ask(group).await?;
            }
            let what = format!("{name}: rows compared");
            self.watcher.progress(&what, self.report.rows, estimate);
        }
        self.ask(pending).await?;
        Ok(sieve)
    }

    /// All records of the object, 35 bytes each.
    async fn sieve(&mut self) -> Result<Sieve, Declined> {
        let comparison = &self.route.comparison;
        let count = self.asking.count(comparison).await?;
        self.report.records = Some(count);
        let (by, calls) = By::cheaper(count, self.request.by);
        self.plan(calls)?;
        let room = usize::try_from(count).unwrap_or(0).min(1 << 24);
        let mut sieve = Sieve::with_room(room);
        match by {
            By::Soql => {
                let mut page = self.asking.all(comparison).await?;
                loop {
                    self.sift(&page.records, &mut sieve, count);
                    let Some(next) = page.next.take() else { break };
                    page = self.asking.more(&next).await?;
                }
            }
            By::Bulk => {
                let job = self.asking.job(comparison).await?;
                let mut next = None;
                loop {
                    let page = self.asking.job_page(&job, next.as_deref()).await?;
                    self.sift(&page.records, &mut sieve, count);
                    next = page.next;
                    if next.is_none() {
                        break;
                    }
                }
            }
        }
        self.report.records = Some(sieve.len() as u64);
        sieve.close();
        Ok(sieve)
    }

    fn sift(&self, records: &[Record], sieve: &mut Sieve, total: u64) {
        let comparison = &self.route.comparison;
        for record in records {
            let key = record.get(&comparison.key.name);
            if let Some(key) = key.and_then(|key| comparison.key_of(key)) {
                sieve.add(&key, comparison.fingerprint(record), &id_of(record));
            }
        }
        let what = format!("{}: records read", self.route.spec.route);
        self.watcher
            .progress(&what, sieve.len() as u64, Some(total));
    }

    /// Says what it takes before it begins, and refuses what the budget does not have.
    fn plan(&self, calls: u64) -> Result<(), Declined> {
        let left = self.asking.left()?;
        self.watcher.planned(&self.route.spec.route, calls, left);
        match left {
            Some(left) if left < calls => Err(Declined {
                page: "LS6030".to_owned(),
                text: format!(
                    "comparing route {} takes {calls} calls at least, and {left} may be made",
                    self.route.spec.route
                ),
                remedy: "wait until calls come back (`leadstream status` says when), raise \
                         --max-calls, or compare less: --route, --since, --from-key, --where"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    fn expect(&self, row: ScannedRow) -> Row {
        let plan = &self.route.plan;
        let change = Change::of_read_row(self.route.spec.table.clone(), row.values);
        let (image, expected) = match plan.leaves_out(&change) {
            Ok(true) => (plan.key_alone(&change), Expected::LeftOut),
            Ok(false) => match plan.map(&change) {
                Ok(image) => {
                    let record = self.route.comparison.payload(&image.payload);
                    (image, Expected::Record(record))
                }
                Err(unmappable) => (unmappable.image, Expected::Invalid),
            },
            Err(undecided) => (undecided.image, Expected::Invalid),
        };
        Row {
            place: row.place,
            key: image.key.to_string(),
            expected,
        }
    }

    fn folded(&self, key: &str) -> String {
        let key = Json::from(key);
        self.route.comparison.key_of(&key).unwrap_or_default()
    }

    fn meet(&self, sieve: Option<&mut Sieve>, row: &Row) -> Met {
        let Some(sieve) = sieve else {
            return Met::Other;
        };
        let key = self.folded(&row.key);
        match &row.expected {
            Expected::Record(record) => {
                sieve.meet(&key, Some(self.route.comparison.fingerprint(record)))
            }
            Expected::LeftOut | Expected::Invalid => sieve.meet(&key, None),
        }
    }

    /// Asks for the records of these rows, and compares field by field.
    async fn ask(&mut self, rows: Vec<Row>) -> Result<(), Declined> {
        let records = self.records(rows.iter().map(|row| &row.key)).await?;
        for row in rows {
            let theirs = records.get(&self.folded(&row.key));
            let expected = Some(&row.expected);
            match judge(&self.route.comparison, expected, theirs, expected) {
                Verdict::Equal => self.report.equal += 1,
                // It cannot be sent, and Salesforce has a record of before.
                Verdict::NotSent => self.report.left_out += 1,
                Verdict::Moving => {}
                Verdict::Missing | Verdict::Different(_) if self.suspects.len() >= LOOKED_AT => {
                    self.report.not_looked_at += 1;
                }
                Verdict::Missing | Verdict::Different(_) => self.suspects.push(Suspect {
                    place: row.place,
                    key: row.key,
                }),
            }
        }
        Ok(())
    }

    async fn records(
        &mut self,
        keys: impl Iterator<Item = &String>,
    ) -> Result<HashMap<String, Record>, Declined> {
        let keys: Vec<&str> = keys
            .map(String::as_str)
            .filter(|key| !key.is_empty())
            .collect();
        self.asking.by_keys(&self.route.comparison, &keys).await
    }

    /// The suspects once more, now that the stream had time for them.
    async fn second(&mut self) -> Result<(), Declined> {
        let suspects = std::mem::take(&mut self.suspects);
        let total = suspects.len() as u64;
        let what = format!("{}: rows looked at again", self.route.spec.route);
        for (at, group) in (0_u64..).zip(suspects.chunks(AGAIN_AT_ONCE)) {
            let done = at * AGAIN_AT_ONCE as u64;
            self.watcher.progress(&what, done, Some(total));
            self.again(group).await?;
        }
        Ok(())
    }

    async fn again(&mut self, group: &[Suspect]) -> Result<(), Declined> {
        let places: Vec<Vec<KeyPart>> = group.iter().map(|it| it.place.clone()).collect();
        let before = self.look(&places).await?;
        let place = self.scan.end().await?;
        let passed = self.wait_passed(&place).await?;
        let records = self.records(group.iter().map(|it| &it.key)).await?;
        let after = self.look(&places).await?;
        for suspect in group {
            let theirs = records.get(&self.folded(&suspect.key));
            let (before, after) = (before.get(&suspect.place), after.get(&suspect.place));
            match judge(&self.route.comparison, before, theirs, after) {
                Verdict::Equal => self.report.equal += 1,
                Verdict::NotSent => {}
                Verdict::Moving => self.find(suspect, theirs, Difference::OnItsWay, &[], passed)?,
                Verdict::Missing => self.find(suspect, theirs, Difference::Missing, &[], passed)?,
                Verdict::Different(fields) => {
                    self.find(suspect, theirs, Difference::Different, &fields, passed)?;
                }
            }
        }
        Ok(())
    }

    async fn look(
        &mut self,
        places: &[Vec<KeyPart>],
    ) -> Result<HashMap<Vec<KeyPart>, Expected>, Declined> {
        let rows = self.scan.look(places).await?;
        let rows = rows.into_iter().map(|row| self.expect(row));
        Ok(rows.map(|row| (row.place, row.expected)).collect())
    }

    /// Waits a while until the service has come to a place of the binlog, and the ledger can be
    /// asked about it. False when it has not, or does not run.
    async fn wait_passed(&mut self, place: &Position) -> Result<bool, Declined> {
        let asks = match self.stands {
            true => 1,
            false => ASKS,
        };
        // A stream that writes commits on and on: the ledger must know what had passed, no more.
        let mut wanted = None;
        for _ in 0..asks {
            let progress = self.asking.ledger.progress()?;
            let passed = progress
                .checkpoint
                .as_ref()
                .is_some_and(|checkpoint| has_passed(checkpoint, place));
            if passed && wanted.is_none() {
                wanted = Some(progress.last_commit);
            }
            if wanted.is_some_and(|commit| progress.index_applied >= commit) {
                return Ok(true);
            }
            if !progress.running {
                self.behind |= !passed;
                return Ok(passed);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        self.stands = true;
        Ok(false)
    }

    /// Enters what stood still and does not agree, with what the ledger says of it.
    fn find(
        &mut self,
        suspect: &Suspect,
        theirs: Option<&Record>,
        difference: Difference,
        fields: &[String],
        passed: bool,
    ) -> Result<(), Declined> {
        let story = self.asking.ledger.story(&suspect.key)?;
        let mut explanation = explain(difference, &self.route.spec.route, &story);
        // While the stream is not there yet, that the ledger knows nothing newer means nothing.
        let waits = !passed && !self.behind && explanation.reason.is_repairable();
        if difference == Difference::OnItsWay || waits {
            explanation.reason = Reason::Moving;
        }
        let difference = match explanation.reason.is_on_its_way() {
            true => Difference::OnItsWay,
            false => difference,
        };
        match difference {
            Difference::Missing => self.report.missing += 1,
            Difference::Different => self.report.different += 1,
            Difference::OnItsWay => self.report.on_their_way += 1,
            Difference::Extra => {}
        }
        let wanted = match self.request.repair {
            Repair::Nothing => false,
            Repair::Missing => difference == Difference::Missing,
            Repair::Different => {
                matches!(difference, Difference::Missing | Difference::Different)
            }
        };
        if wanted {
            self.mends.push(Mend {
                place: suspect.place.clone(),
                possible: explanation.reason.is_repairable(),
            });
        }
        let salesforce_id = theirs.map(full_id).or(explanation.salesforce_id.take());
        let finding = Finding {
            difference,
            key: suspect.key.clone(),
            salesforce_id,
            fields: fields.to_vec(),
            explanation,
        };
        self.report.name(finding, self.request.show);
        Ok(())
    }

    /// Records that no row was met for.
    async fn extras(&mut self, sieve: &Sieve) -> Result<(), Declined> {
        let comparison = &self.route.comparison;
        let by_key = self.scan.key_column() == Some(self.route.spec.key_column.as_str());
        let unmet = sieve.unmet().count() as u64;
        let named: Vec<String> = sieve
            .unmet()
            .take(self.request.show.clamp(1, LOOKED_AT))
            .collect();
        let mut gone = 0;
        let still = self.asking.keys_of(comparison, &named).await?;
        // Deleted in Salesforce since it was read.
        gone += (named.len() as u64).saturating_sub(still.len() as u64);
        // A row whose key was changed while the table was read may have been passed by.
        let mut places = HashMap::new();
        for (_, key) in &still {
            let text = plain(key);
            if let Some(place) = self.scan.place_of(&text).filter(|_| by_key) {
                places.insert(place, text);
            }
        }
        let asked: Vec<Vec<KeyPart>> = places.keys().cloned().collect();
        let there: HashSet<Vec<KeyPart>> = self
            .scan
            .look(&asked)
            .await?
            .into_iter()
            .map(|row| row.place)
            .collect();
        let there: HashSet<&String> = places
            .iter()
            .filter(|(place, _)| there.contains(*place) || there.contains(&signed(place)))
            .map(|(_, key)| key)
            .collect();
        for (id, key) in still {
            let key = plain(&key);
            if there.contains(&key) {
                gone += 1;
                continue;
            }
            let story = self.asking.ledger.story(&key)?;
            let explanation = explain(Difference::Extra, &self.route.spec.route, &story);
            let finding = Finding {
                difference: Difference::Extra,
                key,
                salesforce_id: Some(id),
                fields: Vec::new(),
                explanation,
            };
            self.report.name(finding, self.request.show);
        }
        self.report.extra = Some(unmet.saturating_sub(gone));
        Ok(())
    }

    async fn mend(&mut self) -> Result<(), Declined> {
        if self.request.repair == Repair::Nothing {
            return Ok(());
        }
        let mends = std::mem::take(&mut self.mends);
        let name = &self.route.spec.route;
        let done = mend(name, &mends, &self.scan, self.asking.ledger, self.watcher).await?;
        self.report.repair = Some(done);
        Ok(())
    }
}

fn new_report(route: &Prepared) -> RouteReport {
    let comparison = &route.comparison;
    RouteReport {
        route: route.spec.route.clone(),
        table: route.spec.table.to_string(),
        object: comparison.object.clone(),
        external_id: comparison.key.name.clone(),
        fields: comparison
            .fields
            .iter()
            .map(|field| field.name.clone())
            .collect(),
        rows: 0,
        records: None,
        equal: 0,
        left_out: 0,
        missing: 0,
        different: 0,
        extra: None,
        on_their_way: 0,
        not_looked_at: 0,
        findings: Vec::new(),
        repair: None,
    }
}

/// A key as people write it.
fn plain(key: &Json) -> String {
    match key {
        Json::String(text) => text.clone(),
        Json::Number(number) => {
            let text = number.to_string();
            text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
        }
        _ => String::new(),
    }
}

/// The server gives back a small number with its sign, whatever it was asked by.
fn signed(place: &[KeyPart]) -> Vec<KeyPart> {
    let part = |part: &KeyPart| match part {
        KeyPart::UInt(number) => i64::try_from(*number).map_or(part.clone(), KeyPart::Int),
        other => other.clone(),
    };
    place.iter().map(part).collect()
}

fn full_id(record: &Record) -> String {
    let id = record.get("Id").and_then(Json::as_str);
    id.unwrap_or_default().to_owned()
}
