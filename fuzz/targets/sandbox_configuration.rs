//! Configuration files and faults.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| salesforce_sandbox::fuzzing::configuration(bytes));
