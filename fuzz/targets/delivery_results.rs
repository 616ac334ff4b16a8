//! The result sets of Bulk jobs.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leadstream::delivery::bulk::fuzzing::results(bytes));
