//! A table map.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| leadstream::capture::fuzzing::table_map(bytes));
