//! Whole conversations: requests to one org, one after another.
#![no_main]

use std::sync::LazyLock;

use salesforce_sandbox::fuzzing::{self, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(fuzzing::runtime);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzzing::conversation(&RUNTIME, bytes));
