//! Assertions, credentials in headers, keys of apps.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| salesforce_sandbox::fuzzing::proofs(bytes));
