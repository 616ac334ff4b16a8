//! JSON bodies of records and collections.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| salesforce_sandbox::fuzzing::json_bodies(bytes));
