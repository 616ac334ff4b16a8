//! Per-record entries, packed: sorted runs of blocks of about 200 entries, merged so that few runs
//! remain. sled's memory follows its number of keys, so a key of its own for each record would cost
//! ten times as much.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::database::{Changes, Database, Failure};

/// Keeps a value below the 4 KiB that sled handles best.
const BLOCK_ENTRIES: usize = 200;
const ENTRY_BYTES: usize = 16;
/// Runs of one size class that become one run of the next.
const FAN_IN: usize = 8;
/// Blocks that go into one batch, and so into one step of a merge.
const BATCH_BLOCKS: usize = 64;

const LIST: u8 = b'l';
const BLOCKS: u8 = b'b';

/// A name's hash, and where in the journal it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packed {
    pub hash: u64,
    pub segment: u32,
    pub offset: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunInfo {
    id: u64,
    entries: u64,
}

impl RunInfo {
    pub(super) fn entries(self) -> u64 {
        self.entries
    }

    /// Rises by one with every eightfold.
    fn class(self) -> u32 {
        self.entries.max(1).ilog2() / 3
    }
}

/// Reads the list of runs, and deletes blocks that an unfinished merge left.
pub(super) fn read_runs(db: &Database) -> Result<Vec<RunInfo>, Failure> {
    let mut runs = Vec::new();
    db.visit(&[LIST], &[LIST], |key, value| {
        let id = u64::from_be_bytes(part(key, 1)?);
        runs.push(RunInfo {
            id,
            entries: u64::from_be_bytes(part(value, 0)?),
        });
        Ok(true)
    })?;
    let mut from = vec![BLOCKS];
    loop {
        let mut found = None;
        db.visit(&from, &[BLOCKS], |key, _| {
            found = Some(u64::from_be_bytes(part(key, 1)?));
            Ok(false)
        })?;
        let Some(id) = found else { break };
        if !runs.iter().any(|run| run.id == id) {
            delete_blocks(db, id)?;
        }
        let Some(next) = id.checked_add(1) else { break };
        from = run_prefix(next);
    }
    Ok(runs)
}

/// Puts a run of sorted entries among the changes.
pub(super) fn put_run(changes: &mut Changes, id: u64, entries: &[Packed]) -> RunInfo {
    for (number, block) in entries.chunks(BLOCK_ENTRIES).enumerate() {
        put_block(changes, id, number, block);
    }
    let run = RunInfo {
        id,
        entries: entries.len() as u64,
    };
    changes.put(&list_key(id), &run.entries.to_be_bytes());
    run
}

/// The number for a run that comes after these.
pub(super) fn next_id(runs: &[RunInfo]) -> u64 {
    runs.iter().map(|run| run.id + 1).max().unwrap_or(1)
}

/// The entries of a run that have this hash.
pub(super) fn find(
    db: &Database,
    run: RunInfo,
    hash: u64,
    found: &mut Vec<Packed>,
) -> Result<(), Failure> {
    let prefix = run_prefix(run.id);
    // The entries may begin in the block before the first one that starts with this hash.
    let mut below = prefix.clone();
    below.extend_from_slice(&hash.to_be_bytes());
    let from = db
        .last_at(&below, &prefix)?
        .unwrap_or_else(|| prefix.clone());
    db.visit(&from, &prefix, |key, block| {
        if u64::from_be_bytes(part(key, 9)?) > hash {
            return Ok(false);
        }
        let entries = unpack(block)?;
        let start = entries.partition_point(|entry| entry.hash < hash);
        found.extend(
            entries[start..]
                .iter()
                .take_while(|entry| entry.hash == hash),
        );
        Ok(entries.last().is_none_or(|last| last.hash <= hash))
    })
}

/// Hands over all entries of a run.
pub(super) fn visit(
    db: &Database,
    run: RunInfo,
    mut take: impl FnMut(Packed),
) -> Result<(), Failure> {
    let prefix = run_prefix(run.id);
    db.visit(&prefix, &prefix, |_, block| {
        unpack(block)?.into_iter().for_each(&mut take);
        Ok(true)
    })
}

/// The runs to be merged next: as many of one size as the fan-in asks for.
pub(super) fn mergeable(runs: &[RunInfo]) -> Option<Vec<RunInfo>> {
    (0..=u64::BITS / 3).find_map(|class| {
        let same: Vec<RunInfo> = runs
            .iter()
            .copied()
            .filter(|run| run.class() == class)
            .collect();
        (same.len() >= FAN_IN).then_some(same)
    })
}

/// Merges runs into a new one and makes it durable, in the place of the old ones; their blocks are
/// still there, for readers that are at them. Entries of segments before `oldest_segment` are left
/// out.
pub(super) fn merge(
    db: &Database,
    old: &[RunInfo],
    id: u64,
    oldest_segment: u32,
) -> Result<RunInfo, Failure> {
    let mut sources = old
        .iter()
        .map(|run| Source::open(db, *run))
        .collect::<Result<Vec<Source<'_>>, Failure>>()?;
    let mut heap = BinaryHeap::with_capacity(sources.len());
    for (place, source) in sources.iter_mut().enumerate() {
        heap.extend(source.next()?.map(|entry| Reverse((entry, place))));
    }
    let (mut changes, mut block, mut blocks, mut entries) = (
        Changes::default(),
        Vec::with_capacity(BLOCK_ENTRIES),
        0,
        0_u64,
    );
    while let Some(Reverse((entry, place))) = heap.pop() {
        heap.extend(sources[place].next()?.map(|entry| Reverse((entry, place))));
        // Its segment was dropped, or it stands in two runs.
        if entry.segment < oldest_segment || block.last() == Some(&entry) {
            continue;
        }
        if block.len() == BLOCK_ENTRIES {
            put_block(&mut changes, id, blocks, &block);
            block.clear();
            blocks += 1;
            if blocks % BATCH_BLOCKS == 0 {
                db.apply(std::mem::take(&mut changes))?;
                db.sync()?;
            }
        }
        block.push(entry);
        entries += 1;
    }
    put_block(&mut changes, id, blocks, &block);
    changes.put(&list_key(id), &entries.to_be_bytes());
    for run in old {
        changes.delete(&list_key(run.id));
    }
    db.apply(changes)?;
    db.sync()?;
    Ok(RunInfo { id, entries })
}

/// Deletes the blocks of runs that are on no list any more.
pub(super) fn delete_runs(db: &Database, runs: &[RunInfo]) -> Result<(), Failure> {
    runs.iter().try_for_each(|run| delete_blocks(db, run.id))
}

fn delete_blocks(db: &Database, id: u64) -> Result<(), Failure> {
    let prefix = run_prefix(id);
    loop {
        let (mut changes, mut count) = (Changes::default(), 0);
        db.visit(&prefix, &prefix, |key, _| {
            changes.delete(key);
            count += 1;
            Ok(count < BATCH_BLOCKS)
        })?;
        if count == 0 {
            return Ok(());
        }
        db.apply(changes)?;
        db.sync()?;
    }
}

/// Gives a run's entries one by one, and holds a few of its blocks at a time.
struct Source<'a> {
    db: &'a Database,
    prefix: Vec<u8>,
    from: Option<Vec<u8>>,
    entries: VecDeque<Packed>,
}

impl<'a> Source<'a> {
    const BLOCKS_AHEAD: usize = 8;

    fn open(db: &'a Database, run: RunInfo) -> Result<Self, Failure> {
        let prefix = run_prefix(run.id);
        Ok(Self {
            db,
            from: Some(prefix.clone()),
            prefix,
            entries: VecDeque::new(),
        })
    }

    fn next(&mut self) -> Result<Option<Packed>, Failure> {
        if self.entries.is_empty()
            && let Some(from) = self.from.take()
        {
            let (mut blocks, entries, next) = (0, &mut self.entries, &mut self.from);
            self.db.visit(&from, &self.prefix, |key, block| {
                if blocks == Self::BLOCKS_AHEAD {
                    *next = Some(key.to_vec());
                    return Ok(false);
                }
                blocks += 1;
                entries.extend(unpack(block)?);
                Ok(true)
            })?;
        }
        Ok(self.entries.pop_front())
    }
}

fn put_block(changes: &mut Changes, id: u64, number: usize, block: &[Packed]) {
    let Some(first) = block.first() else { return };
    let mut key = run_prefix(id);
    key.extend_from_slice(&first.hash.to_be_bytes());
    // Blocks that begin with the same hash stay apart, in their order.
    key.extend_from_slice(&(number as u32).to_be_bytes());
    let mut value = Vec::with_capacity(block.len() * ENTRY_BYTES);
    for entry in block {
        value.extend_from_slice(&entry.hash.to_be_bytes());
        value.extend_from_slice(&entry.segment.to_be_bytes());
        value.extend_from_slice(&entry.offset.to_be_bytes());
    }
    changes.put(&key, &value);
}

fn unpack(block: &[u8]) -> Result<Vec<Packed>, Failure> {
    let entries = block.chunks(ENTRY_BYTES).map(|bytes| {
        Ok(Packed {
            hash: u64::from_be_bytes(part(bytes, 0)?),
            segment: u32::from_be_bytes(part(bytes, 8)?),
            offset: u32::from_be_bytes(part(bytes, 12)?),
        })
    });
    entries.collect()
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Failure> {
    let part = bytes.get(at..at + N).and_then(|part| part.try_into().ok());
    part.ok_or_else(|| Failure("a key or value is too short".to_owned()))
}

fn run_prefix(id: u64) -> Vec<u8> {
    let mut key = vec![BLOCKS];
    key.extend_from_slice(&id.to_be_bytes());
    key
}

fn list_key(id: u64) -> Vec<u8> {
    let mut key = vec![LIST];
    key.extend_from_slice(&id.to_be_bytes());
    key
}
