//! Conditions of rules and triggers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| salesforce_sandbox::fuzzing::conditions(bytes));
