//! Named places where the crash tests end the process: one at each durability boundary.
//!
//! With the feature `failpoints`, the environment variable `LEADSTREAM_FAILPOINT` arms one of
//! them: `name` aborts at the first hit, `name:3` at the third. Without the feature [`hit`] is
//! nothing at all.

/// Every failpoint there is; the crash tests go through this list.
pub const NAMES: &[&str] = &[
    "journal.before_write",
    "journal.after_write",
    "journal.after_sync",
    "journal.roll.after_temp",
    "journal.roll.after_rename",
    "journal.roll.after_folder_sync",
    "index.before_apply",
    "index.after_apply",
    "index.after_sync",
    "driver.after_capture",
    "driver.before_send",
    "driver.after_answer",
    "driver.after_commit",
];

/// Those of Bulk jobs, which take a backlog to be reached.
pub const BULK_NAMES: &[&str] = &[
    "bulk.before_create",
    "bulk.after_create",
    "bulk.before_upload",
    "bulk.after_upload",
    "bulk.after_close",
    "bulk.between_sets",
];

/// Those of the journal's housekeeping and of a full disk, which a short life does not meet.
pub const KEEPING_NAMES: &[&str] = &[
    "journal.after_cut",
    "journal.pack.after_temp",
    "journal.pack.after_rename",
    "journal.pack.after_delete",
    "journal.drop.after_note",
];

/// Those of erasing a person.
pub const ERASING_NAMES: &[&str] = &["journal.erase.after_temp", "journal.erase.after_rename"];

/// Ends the process here when this failpoint is armed and has been hit often enough.
#[cfg(feature = "failpoints")]
pub fn hit(name: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ARMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static HITS: AtomicU64 = AtomicU64::new(0);

    let listed = [NAMES, BULK_NAMES, KEEPING_NAMES, ERASING_NAMES]
        .iter()
        .any(|names| names.contains(&name));
    debug_assert!(listed, "failpoint {name} is not listed");
    let armed = ARMED.get_or_init(read_environment);
    if let Some((wanted, at)) = armed
        && wanted == name
        && HITS.fetch_add(1, Ordering::Relaxed) + 1 == *at
    {
        std::process::abort();
    }
}

#[cfg(feature = "failpoints")]
#[allow(
    clippy::disallowed_methods,
    reason = "failpoints are armed by the crash tests alone, never by configuration"
)]
fn read_environment() -> Option<(String, u64)> {
    let text = std::env::var("LEADSTREAM_FAILPOINT").ok()?;
    match text.split_once(':') {
        Some((name, count)) => Some((name.to_owned(), count.parse().ok()?)),
        None => Some((text, 1)),
    }
}

/// Failpoints are not compiled in.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn hit(_name: &'static str) {}
