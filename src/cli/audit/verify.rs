//! `leadstream audit verify`: the proof, told.

use clap::Args;

use crate::cli::printer::Printer;
use crate::cli::read::StateArgument;
use crate::cli::time::moment;
use crate::cli::{Failed, Global, ledger};
use crate::operator::report::figures::count;
use crate::state::audit::{Error, Verified};

#[derive(Args)]
pub struct Arguments {
    /// A chain head that was noted earlier must lie in the chain; may be repeated
    #[arg(long = "chain", value_name = "HEAD", value_parser = ledger::chain_head)]
    heads: Vec<String>,
    #[command(flatten)]
    state: StateArgument,
}

pub fn run(global: &Global, arguments: &Arguments, printer: &Printer) -> Result<(), Failed> {
    let sums = ledger::index_sums(global, &arguments.state, printer)?;
    let (ledger, runs) = ledger::open(global, &arguments.state, printer)?;
    let mut progress = |done, total: u64| printer.progress("bytes verified", done, Some(total));
    let verified = ledger
        .verify_with_index(&arguments.heads, &sums, &mut progress)
        .map_err(|error| ledger::refused(&error, printer))?;
    printer.progress_done();
    if !runs && sums.commit < verified.last_commit {
        let what = format!("it comes no further than commit {}", sums.commit);
        return Err(ledger::refused(&Error::Index { what }, printer));
    }
    if global.json {
        return Ok(printer.json(&verified)?);
    }
    tell(&verified, arguments.heads.len(), printer)?;
    let entries: u64 = sums.segments.values().map(|sum| sum.count).sum();
    printer.data(&format!(
        "index      {} names and {} open dead letters up to commit {}, as the journal has them",
        count(entries),
        count(sums.letters.count),
        count(sums.commit)
    ))?;
    Ok(())
}

/// What was verified, line by line.
pub fn tell(verified: &Verified, heads: usize, printer: &Printer) -> std::io::Result<()> {
    let first = verified.commits_before + 1;
    printer.data(&format!(
        "journal    {} bytes in {} {} from number {} on",
        count(verified.bytes),
        count(verified.segments),
        if verified.segments == 1 {
            "segment"
        } else {
            "segments"
        },
        verified.first_segment
    ))?;
    printer.data(&format!(
        "chain      commits {} to {} without a gap, {} lines of entries, none changed",
        count(first),
        count(verified.last_commit),
        count(verified.entries)
    ))?;
    if verified.erased > 0 {
        let erased = count(verified.erased);
        printer.data(&format!(
            "erased     {erased} personal lines were erased on purpose"
        ))?;
    }
    for (route, totals) in &verified.totals {
        printer.data(&format!(
            "books      route {route}: {} = {} delivered + {} skipped + {} discarded + {} open dead \
             letters + {} parked; headers and lines agree",
            count(totals.accounted()),
            count(totals.delivered()),
            count(totals.skipped_total()),
            count(totals.discarded),
            count(totals.dead_letters_open),
            count(totals.parked)
        ))?;
    }
    if heads > 0 {
        let what = if heads == 1 {
            "the noted head lies"
        } else {
            "all noted heads lie"
        };
        printer.data(&format!("noted      {what} in the chain"))?;
    }
    if verified.torn_bytes > 0 {
        printer.data(&format!(
            "tail       {} bytes of an unfinished write at the end; never acknowledged, cut off at \
             the next start",
            count(verified.torn_bytes)
        ))?;
    }
    printer.data(&format!(
        "head       {} behind commit {} at {}",
        verified.chain,
        verified.last_commit,
        moment(verified.last_at)
    ))
}
