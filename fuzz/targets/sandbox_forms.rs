//! Form bodies, query strings and paths.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| salesforce_sandbox::fuzzing::forms(bytes));
