//! Binary JSON of a column.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leadstream::capture::fuzzing::jsonb(bytes));
