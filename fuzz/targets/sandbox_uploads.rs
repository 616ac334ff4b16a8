//! What is sent to bulk jobs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| salesforce_sandbox::fuzzing::uploads(bytes));
