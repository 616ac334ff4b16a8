//! GTID sets against a naive model, and the texts that servers print.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

fn gtid(number: u64) -> Gtid {
    format!("{UUID}:{number}").parse().unwrap()
}

#[track_caller]
fn check(text: &str, printed: &str) {
    let set: GtidSet = text.parse().unwrap();
    assert_eq!(set.to_string(), printed);
    assert_eq!(printed.parse::<GtidSet>().unwrap(), set);
}

#[test]
fn sets_print_as_the_server_prints_them() {
    check("", "");
    check(&format!("{UUID}:1-5"), &format!("{UUID}:1-5"));
    check(&format!("{UUID}:1-5:7:8-9"), &format!("{UUID}:1-5:7-9"));
    check(
        &format!("{}:1\n, {UUID}:Blue:3-4", UUID.to_uppercase()),
        &format!("{UUID}:1,{UUID}:blue:3-4"),
    );
}

#[test]
fn broken_sets_are_refused() {
    for text in [
        "x",
        UUID,
        &format!("{UUID}:0"),
        &format!("{UUID}:5-3"),
        &format!("{UUID}:1-x"),
    ] {
        assert!(text.parse::<GtidSet>().is_err(), "{text}");
    }
}

#[test]
fn later_files_compare_as_later_even_when_the_number_grows_a_digit() {
    let place = |file: &str, offset| FilePosition {
        file: file.into(),
        offset,
    };
    assert!(place("binlog.999999", 9).is_before(&place("binlog.1000000", 4)));
    assert!(place("binlog.000002", 4).is_before(&place("binlog.000002", 5)));
    assert!(!place("binlog.000003", 4).is_before(&place("binlog.000002", 5)));
}

#[test]
fn tags_make_other_sources_of_the_same_server() {
    let set = |text: &str| text.parse::<GtidSet>().unwrap();
    let ours = set(&format!("{UUID}:1-5:blue:1-3"));
    let theirs = set(&format!("{UUID}:1-9:blue:1"));
    assert!(!theirs.contains_set(&ours));
    let missing = ours.without(&theirs);
    assert_eq!(missing.to_string(), format!("{UUID}:blue:2-3"));
    assert_eq!(missing.count(), 2);
    assert!(missing.names_server(&UUID.to_uppercase()));
    assert!(!missing.names_server("3e11fa47-71ca-11e1-9e33-c80aa9429563"));
}

proptest! {
    #[test]
    fn a_difference_is_what_one_has_and_the_other_lacks(
        ours in prop::collection::vec((1_u64..40, 0_u64..6), 0..8),
        theirs in prop::collection::vec((1_u64..40, 0_u64..6), 0..8),
    ) {
        let build = |intervals: Vec<(u64, u64)>| {
            let mut set = GtidSet::default();
            for (first, length) in intervals {
                set.insert_interval(&gtid(1).source, first, first + length);
            }
            set
        };
        let (ours, theirs) = (build(ours), build(theirs));
        let left = ours.without(&theirs);
        let mut count = 0;
        for number in 0..60 {
            let wanted = number > 0 && ours.contains(&gtid(number.max(1))) && !theirs.contains(&gtid(number.max(1)));
            prop_assert_eq!(number > 0 && left.contains(&gtid(number.max(1))), wanted);
            count += u64::from(wanted);
        }
        prop_assert_eq!(left.count(), count);
        prop_assert_eq!(left.is_empty(), theirs.contains_set(&ours));
    }
    #[test]
    fn sets_behave_like_sets(numbers in prop::collection::vec(1_u64..40, 0..60),
                             more in prop::collection::vec((1_u64..40, 0_u64..6), 0..8)) {
        let mut set = GtidSet::default();
        let mut model = BTreeSet::new();
        for number in numbers {
            set.insert(&gtid(number));
            model.insert(number);
        }
        let mut other = GtidSet::default();
        for (first, length) in more {
            other.insert_interval(&gtid(1).source, first, first + length);
        }
        for number in 1..60 {
            prop_assert_eq!(set.contains(&gtid(number)), model.contains(&number));
        }
        let contained = (1..60).all(|n| !other.contains(&gtid(n)) || model.contains(&n));
        prop_assert_eq!(set.contains_set(&other), contained);
        set.extend(&other);
        prop_assert!(set.contains_set(&other));
        for (_, intervals) in set.iter() {
            for pair in intervals.windows(2) {
                prop_assert!(pair[0].1 + 1 < pair[1].0, "intervals touch: {intervals:?}");
            }
        }
        prop_assert_eq!(set.to_string().parse::<GtidSet>().unwrap(), set);
    }
}
