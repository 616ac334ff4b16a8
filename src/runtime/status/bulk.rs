//! What the service shows of a route's Bulk jobs: why there are any, and how far the one at work is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::core::pipeline::BulkView;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkStatus {
    /// Why jobs take the place of calls.
    pub why: String,
    /// Records gathered for the next job.
    pub waiting: u64,
    pub job: Option<BulkJobStatus>,
    /// Why calls are used for a while all the same.
    pub suspended: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkJobStatus {
    pub number: u64,
    pub salesforce_id: Option<String>,
    pub stage: String,
    /// Without an outcome.
    pub records: u64,
    /// Of them, done in Salesforce as it last said.
    pub processed: u64,
}

impl BulkStatus {
    #[must_use]
    pub fn new(view: &BulkView) -> Self {
        Self {
            why: view.why.to_owned(),
            waiting: view.waiting,
            job: view.job.as_ref().map(|job| BulkJobStatus {
                number: job.number,
                salesforce_id: job.id.as_deref().map(str::to_owned),
                stage: job.stage.to_owned(),
                records: job.records,
                processed: job.processed,
            }),
            suspended: view.suspended.as_ref().map(|failure| {
                let line = failure.line();
                format!("{}: {line}", failure.page)
            }),
        }
    }

    /// Records on their way.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.waiting + self.job.as_ref().map_or(0, |job| job.records)
    }
}

impl fmt::Display for BulkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.suspended {
            Some(why) => write!(f, "by calls for a while in place of Bulk: {why}")?,
            None => write!(f, "by Bulk: {}", self.why)?,
        }
        if let Some(job) = &self.job {
            let id = job.salesforce_id.as_deref().unwrap_or("no id yet");
            write!(
                f,
                "; job {} ({id}) is {}: {} of {} records done",
                job.number, job.stage, job.processed, job.records
            )?;
        }
        write!(f, "; {} records wait for the next job", self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_why_and_how_far() {
        let status = BulkStatus {
            why: "a snapshot is read".into(),
            waiting: 7,
            job: Some(BulkJobStatus {
                number: 3,
                salesforce_id: None,
                stage: "at work in Salesforce".into(),
                records: 100,
                processed: 40,
            }),
            suspended: None,
        };
        assert_eq!(
            status.to_string(),
            "by Bulk: a snapshot is read; job 3 (no id yet) is at work in Salesforce: 40 of 100 \
             records done; 7 records wait for the next job"
        );
        assert_eq!(status.records(), 107);
        let suspended = BulkStatus {
            suspended: Some("LS2087: TIMEOUT".into()),
            job: None,
            ..status
        };
        assert!(
            suspended
                .to_string()
                .starts_with("by calls for a while in place of Bulk: LS2087")
        );
    }
}
