//! The settings that following a MariaDB server needs.

use crate::capture::error::Error;
use crate::capture::preflight::{CheckResult, PreflightReport, check_metadata};
use crate::capture::server::Server;

pub(in crate::capture) fn check_settings(server: &Server, report: &mut PreflightReport) {
    let mut expect = |name: &'static str, needed: &'static str, or: fn(Error) -> CheckResult| {
        let found = server.get(name).to_owned();
        let result = if found.eq_ignore_ascii_case(needed) {
            CheckResult::Passed(found)
        } else {
            or(Error::MariaDbSetting {
                name,
                found,
                needed,
            })
        };
        report.add(name, result);
    };
    expect("log_bin", "ON", CheckResult::Failed);
    expect("binlog_format", "ROW", CheckResult::Failed);
    // With less, an insert's row leaves out the columns that took their default.
    expect("binlog_row_image", "FULL", CheckResult::Failed);
    expect("binlog_checksum", "CRC32", CheckResult::Warning);
    // NO_LOG unless it is set.
    check_metadata(server, report);
    let found = server.get("gtid_strict_mode").to_owned();
    let result = if found.eq_ignore_ascii_case("ON") {
        CheckResult::Passed(found)
    } else {
        CheckResult::Warning(Error::GtidStrictOff { found })
    };
    report.add("gtid_strict_mode", result);
}
