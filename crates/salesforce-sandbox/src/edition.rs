//! Editions of Salesforce and the limits that come with them (facts 6.1 and 6.3).
use serde::{Deserialize, Serialize};

use crate::config::QuotaMode;

/// Licences of an Enterprise Edition whose users nobody counted; with them it has 115,000 calls a day.
const USUAL_LICENCES: u64 = 15;

/// What was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Edition {
    /// 15,000 calls a day, cut off exactly; 5 calls may run for long.
    Developer,
    /// 100,000 calls a day and 1,000 for each licence, which may be exceeded; 25 calls may run for long.
    Professional,
    /// As `Professional`.
    Enterprise,
    /// 100,000 calls a day and 5,000 for each licence, which may be exceeded; 25 calls may run for long.
    Unlimited,
    /// As `Unlimited`.
    Performance,
    /// A full sandbox: 5,000,000 calls a day, cut off exactly; 25 calls may run for long.
    Sandbox,
}

/// What an edition brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allocation {
    /// As the organization's record names it.
    pub(crate) organization_type: &'static str,
    pub(crate) is_sandbox: bool,
    pub(crate) daily_api_requests: u64,
    pub(crate) daily_api_mode: QuotaMode,
    pub(crate) concurrent_long_requests: u64,
}

impl Edition {
    /// What the edition allows with that many Salesforce licences.
    pub(crate) fn allocation(self, licences: Option<u64>) -> Allocation {
        let licences = licences.unwrap_or(USUAL_LICENCES);
        let licensed = |each: u64| 100_000_u64.saturating_add(licences.saturating_mul(each));
        let (daily_api_requests, daily_api_mode, concurrent_long_requests) = match self {
            Edition::Developer => (15_000, QuotaMode::Hard, 5),
            Edition::Professional | Edition::Enterprise => (licensed(1_000), QuotaMode::Soft, 25),
            Edition::Unlimited | Edition::Performance => (licensed(5_000), QuotaMode::Soft, 25),
            Edition::Sandbox => (5_000_000, QuotaMode::Hard, 25),
        };
        let organization_type = match self {
            Edition::Developer => "Developer Edition",
            Edition::Professional => "Professional Edition",
            // A sandbox is of the edition that it was made from.
            Edition::Enterprise | Edition::Sandbox => "Enterprise Edition",
            Edition::Unlimited => "Unlimited Edition",
            Edition::Performance => "Performance Edition",
        };
        Allocation {
            organization_type,
            is_sandbox: self == Edition::Sandbox,
            daily_api_requests,
            daily_api_mode,
            concurrent_long_requests,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enterprise_edition_with_15_licences_has_115_000_calls() {
        let of = |edition: Edition, licences| edition.allocation(licences).daily_api_requests;
        assert_eq!(of(Edition::Enterprise, Some(15)), 115_000);
        assert_eq!(of(Edition::Enterprise, None), 115_000);
        assert_eq!(of(Edition::Unlimited, Some(10)), 150_000);
        assert_eq!(of(Edition::Sandbox, Some(10)), 5_000_000);
        assert_eq!(of(Edition::Unlimited, Some(u64::MAX)), u64::MAX);
    }
}
