//! Durations: nothing panics, and none is longer than Go's.

#![no_main]

use countersign::types::parse_duration;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    if let Ok(secs) = parse_duration(input) {
        assert!(secs <= 9_223_372_036);
        assert_eq!(parse_duration(&secs.to_string()), Ok(secs));
    }
});
