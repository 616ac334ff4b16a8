//! What Salesforce lets us use: the limits resource, the usage header of every answer, and our own
//! count of calls.
//!
//! Invariants: the counters are lock-free and a snapshot never pairs the use of one answer with
//! the limit of another. A header that cannot be read strictly is ignored, never guessed.
//! What to do about the numbers is the core's pacing.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;

/// What the limits resource says; Salesforce keeps it exact to about five minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// API calls of the org in a rolling 24 hours, all its users and integrations together.
    pub daily_api_requests: Allowance,
    /// Batches of Bulk jobs in a rolling 24 hours, when told.
    pub daily_bulk_batches: Option<Allowance>,
    /// Storage of records, when the user may see it.
    pub data_storage_mb: Option<Allowance>,
}

/// One limit. `remaining` can be negative: paid orgs may overshoot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Allowance {
    pub max: i64,
    pub remaining: i64,
}

/// A snapshot of the use of the API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApiUsage {
    /// Requests of ours since the start that Salesforce counts; logins are not among them.
    pub calls_made: u64,
    /// From the last answer that told: calls of the whole org in the last 24 hours.
    pub api_used: Option<u64>,
    pub api_limit: Option<u64>,
    /// Requests for a token since the start, the refused ones too.
    pub logins: u64,
    /// Those of them that a refused session caused.
    pub refreshes: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    calls_made: AtomicU64,
    /// Used in the upper half, limit in the lower; 0 before the first answer.
    org: AtomicU64,
    logins: AtomicU64,
    refreshes: AtomicU64,
}

impl Counters {
    pub fn call(&self) {
        self.calls_made.fetch_add(1, Ordering::Relaxed);
    }

    pub fn login(&self) {
        self.logins.fetch_add(1, Ordering::Relaxed);
    }

    pub fn refresh(&self) {
        self.refreshes.fetch_add(1, Ordering::Relaxed);
    }

    pub fn org_usage(&self, (used, limit): (u32, u32)) {
        self.org
            .store(u64::from(used) << 32 | u64::from(limit), Ordering::Relaxed);
    }

    pub fn snapshot(&self) -> ApiUsage {
        let org = self.org.load(Ordering::Relaxed);
        let told = org != 0;
        ApiUsage {
            calls_made: self.calls_made.load(Ordering::Relaxed),
            api_used: told.then_some(org >> 32),
            api_limit: told.then_some(org & u64::from(u32::MAX)),
            logins: self.logins.load(Ordering::Relaxed),
            refreshes: self.refreshes.load(Ordering::Relaxed),
        }
    }
}

/// Reads `Sforce-Limit-Info`: `api-usage=25/5000`, alone or followed by
/// `; per-app-api-usage=17/250(appName=x)`. Gives used and limit of the org.
pub(super) fn decode_limit_info(header: &str) -> Option<(u32, u32)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten()
    };
    let mut found = None;
    for part in header.split(';') {
        let (name, value) = part.trim().split_once('=')?;
        if name == "api-usage" {
            let (used, limit) = value.split_once('/')?;
            let pair = (number(used)?, number(limit)?);
            if found.replace(pair).is_some() {
                return None;
            }
        }
    }
    found
}

/// Reads the limits resource. The error says what is missing.
pub(super) fn decode_limits(body: &[u8]) -> Result<Limits, String> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "DailyApiRequests")]
        requests: Allowance,
        #[serde(rename = "DailyBulkApiBatches")]
        bulk: Option<Allowance>,
        #[serde(rename = "DataStorageMB")]
        storage: Option<Allowance>,
    }
    let wire: Wire = serde_json::from_slice(body).map_err(|error| {
        format!(
            "limits cannot be read (line {}, column {})",
            error.line(),
            error.column()
        )
    })?;
    Ok(Limits {
        daily_api_requests: wire.requests,
        daily_bulk_batches: wire.bulk,
        data_storage_mb: wire.storage,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usage_header_is_read_strictly() {
        for (header, expected) in [
            ("api-usage=18/5000", Some((18, 5000))),
            (
                "api-usage=25/5000; per-app-api-usage=17/250(appName=sample-connected-app)",
                Some((25, 5000)),
            ),
            (
                "per-app-api-usage=17/250(appName=x=y);api-usage=0/15000",
                Some((0, 15000)),
            ),
            ("per-app-api-usage=17/250(appName=x)", None),
            ("api-usage=18", None),
            ("api-usage=-1/5000", None),
            ("api-usage=+1/5000", None),
            ("api-usage=18/5000 ", Some((18, 5000))),
            ("api-usage=18/ 5000", None),
            ("api-usage=18/5000/1", None),
            ("api-usage=18/99999999999", None),
            ("api-usage=1/2; api-usage=3/4", None),
            ("api-usage", None),
            ("", None),
        ] {
            assert_eq!(decode_limit_info(header), expected, "{header:?}");
        }
    }

    #[test]
    fn the_limits_resource_gives_what_it_tells() {
        let body = br#"{"DailyApiRequests":{"Max":15000,"Remaining":-2,"Ant Migration Tool":{"Max":0,"Remaining":0}},
            "DailyBulkApiBatches":{"Max":15000,"Remaining":14999},"PermissionSets":{"Max":1500,"Remaining":1499,"CreateCustom":{"Max":1000,"Remaining":999}}}"#;
        let limits = decode_limits(body).unwrap();
        assert_eq!(
            limits.daily_api_requests,
            Allowance {
                max: 15000,
                remaining: -2
            }
        );
        assert_eq!(
            limits.daily_bulk_batches,
            Some(Allowance {
                max: 15000,
                remaining: 14999
            })
        );
        assert_eq!(limits.data_storage_mb, None);
        assert!(decode_limits(b"{}").is_err());
    }

    #[test]
    fn a_snapshot_shows_what_was_counted() {
        let counters = Counters::default();
        assert_eq!(counters.snapshot(), ApiUsage::default());
        counters.call();
        counters.login();
        counters.refresh();
        counters.org_usage((25, 5000));
        assert_eq!(
            counters.snapshot(),
            ApiUsage {
                calls_made: 1,
                api_used: Some(25),
                api_limit: Some(5000),
                logins: 1,
                refreshes: 1
            }
        );
    }
}
