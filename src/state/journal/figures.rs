//! The figures of a period, counted from the journal: reads only the segments that it lies in, each
//! run verified against the chain on the way.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::chain::Chain;
use super::header::Header;
use super::line::{Decoder, EntryLine};
use super::scan::Run;
use super::walk::{Place, Progress, Visitor, Walk};
use crate::core::change::RouteId;
use crate::core::entry::Totals;
use crate::core::report::{Frame, Report, Step, Tally};
use crate::core::time::Micros;
use crate::state::audit::Error;

/// A report, and where the ledger stood when the period ended.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PeriodReport {
    /// `None`: of all routes.
    pub route: Option<String>,
    #[serde(flatten)]
    pub report: Report,
    pub ledger: LedgerEnd,
}

/// The end of what was read.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LedgerEnd {
    pub store: String,
    /// The last commit of the period, or before it; 0 when there is none.
    pub commit: u64,
    pub at: Micros,
    /// Noted elsewhere, it proves that nothing before it was changed since.
    pub chain: Chain,
    /// The books over the store's whole life, as they stood then, by route.
    pub books: BTreeMap<String, Totals>,
    /// What was dropped by retention before the period ended: the report cannot tell of it.
    pub begins_at: Option<Micros>,
}

/// Counts the steps of a period; those of one route alone when it is named.
pub(in crate::state) fn report(
    walk: &Walk,
    frame: Frame,
    route: Option<&str>,
    progress: &mut Progress<'_>,
) -> Result<PeriodReport, Error> {
    let first = walk.segment_before(|header| header.last_at < frame.since)?;
    let mut count = Count {
        frame,
        wanted: route,
        tally: Tally::new(frame),
        decoder: Decoder::new(),
        routes: Vec::new(),
        books: Vec::new(),
        end: None,
    };
    walk.visit(first, &mut count, progress)?;
    let Count {
        tally,
        routes,
        books,
        end,
        ..
    } = count;
    let Some(mut end) = end else {
        return Err(Error::State(crate::state::Error::Missing {
            path: walk.folder.clone(),
        }));
    };
    end.books = routes.into_iter().zip(books).collect();
    Ok(PeriodReport {
        route: route.map(str::to_owned),
        report: tally.finish(),
        ledger: end,
    })
}

struct Count<'a> {
    frame: Frame,
    wanted: Option<&'a str>,
    tally: Tally,
    decoder: Decoder,
    /// Names and books by number.
    routes: Vec<String>,
    books: Vec<Totals>,
    end: Option<LedgerEnd>,
}

impl Visitor for Count<'_> {
    fn segment(
        &mut self,
        _place: Place<'_>,
        header: Header,
        chain: Chain,
    ) -> Result<ControlFlow<()>, Error> {
        if let Some(end) = &mut self.end {
            if header.last_at >= self.frame.until {
                return Ok(ControlFlow::Break(()));
            }
            end.chain = chain;
            return Ok(ControlFlow::Continue(()));
        }
        // The first of all segments follows no commit, and nothing is missing before it.
        let dropped = header.commits > 0 && header.last_at >= self.frame.since;
        self.end = Some(LedgerEnd {
            store: header.store,
            commit: header.commits,
            at: header.last_at,
            chain,
            books: BTreeMap::new(),
            begins_at: dropped.then_some(header.opened_at),
        });
        for (route, totals) in header.totals {
            self.routes.push(route);
            self.books.push(totals);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn run(&mut self, place: Place<'_>, run: Run<'_>) -> Result<ControlFlow<()>, Error> {
        let at = Micros(run.commit.at);
        // A clock that was set back leaves later commits with earlier times: all are looked at.
        if at >= self.frame.until {
            return Ok(ControlFlow::Continue(()));
        }
        if self.wanted.is_none() {
            self.tally.enter_calls(at, run.commit.calls);
        }
        for raw in run.entries() {
            let line: EntryLine<'_> = serde_json::from_slice(raw.line)
                .map_err(|_| place.broken("an entry line cannot be understood"))?;
            let (routes, books) = (&mut self.routes, &mut self.books);
            let mut number = |name: &str| number(routes, books, name);
            let entry = self.decoder.entry(&line, &mut number);
            let Some(entry) = entry.map_err(|reason| place.broken(reason))? else {
                continue;
            };
            let Some(id) = entry.route() else { continue };
            let at_place = usize::from(id.0);
            if let Some(books) = self.books.get_mut(at_place) {
                books.apply(&entry);
            }
            let route = self.routes.get(at_place).map_or("", String::as_str);
            if self.wanted.is_none_or(|wanted| wanted == route) {
                let code = line.code.as_ref().map_or("", |code| &*code.0);
                self.tally.enter(Step {
                    at,
                    route,
                    entry: &entry,
                    code,
                });
            }
        }
        if let Some(end) = &mut self.end {
            (end.commit, end.at, end.chain) = (run.commit.n, at, run.chain);
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn number(routes: &mut Vec<String>, books: &mut Vec<Totals>, name: &str) -> RouteId {
    let place = routes.iter().position(|known| known == name);
    let place = place.unwrap_or_else(|| {
        routes.push(name.to_owned());
        books.push(Totals::default());
        routes.len() - 1
    });
    // A store sees far fewer routes than numbers.
    RouteId(u16::try_from(place).unwrap_or(u16::MAX))
}
