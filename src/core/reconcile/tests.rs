//! Judgements over random worlds: what differs is found, what stands still and agrees is not.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn comparison() -> Comparison {
    let text = FieldKind::Text { max_chars: 80 };
    let field = |name: &str, kind: &FieldKind| ComparedField {
        name: name.to_owned(),
        kind: kind.clone(),
    };
    Comparison {
        object: "Lead".to_owned(),
        key: field("MySQL_Id__c", &text),
        key_case_sensitive: false,
        fields: vec![
            field("LastName", &text),
            field(
                "AnnualRevenue",
                &FieldKind::Number {
                    precision: 18,
                    scale: 2,
                },
            ),
        ],
    }
}

fn record(name: &str, revenue: &str) -> Map<String, Value> {
    let value = json!({"LastName": name, "AnnualRevenue": revenue});
    value.as_object().unwrap().clone()
}

#[test]
fn a_payload_keeps_the_digits_of_its_numbers() {
    let payload = r#"{"lastname":"Ann","AnnualRevenue":12345678901234.505,"Other":1}"#;
    let fields = comparison().payload(payload);
    assert_eq!(fields, record("Ann", "12345678901234.505"));
}

#[test]
fn what_is_not_sent_is_salesforces_own() {
    let comparison = comparison();
    let mut ours = record("Ann", "1");
    ours.remove("AnnualRevenue");
    let theirs = record("Ann", "700");
    assert!(comparison.differing(&ours, &theirs).is_empty());
    assert_eq!(
        comparison.differing(&theirs, &record("Bea", "700.00")),
        ["LastName"]
    );
}

#[test]
fn a_row_that_moves_is_not_judged() {
    let comparison = comparison();
    let (one, two) = (record("Ann", "1"), record("Bea", "1"));
    let (old, new) = (Expected::Record(one.clone()), Expected::Record(two.clone()));
    let judge = |before, theirs, after| judge(&comparison, before, theirs, after);
    assert_eq!(judge(Some(&old), None, Some(&new)), Verdict::Moving);
    assert_eq!(judge(Some(&old), Some(&one), None), Verdict::Moving);
    assert_eq!(judge(None, None, None), Verdict::NotSent);
    assert_eq!(judge(Some(&old), None, Some(&old)), Verdict::Missing);
    assert_eq!(judge(Some(&old), Some(&one), Some(&old)), Verdict::Equal);
    assert_eq!(
        judge(Some(&old), Some(&two), Some(&old)),
        Verdict::Different(vec!["LastName".to_owned()])
    );
    let left_out = Some(&Expected::LeftOut);
    assert_eq!(judge(left_out, None, left_out), Verdict::NotSent);
    let invalid = Some(&Expected::Invalid);
    assert_eq!(judge(invalid, None, invalid), Verdict::Missing);
}

#[test]
fn a_checkpoint_has_passed_a_place_or_not() {
    let gtids = |text: &str| Position::Gtid(text.parse().unwrap());
    let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    let (have, less) = (gtids(&format!("{uuid}:1-9")), gtids(&format!("{uuid}:1-5")));
    assert!(has_passed(&have, &less) && has_passed(&have, &have));
    assert!(!has_passed(&less, &have));
    let file: Position = "file:binlog.000002:4".parse().unwrap();
    assert!(!has_passed(&have, &file) && has_passed(&file, &file));
}

proptest! {
    /// A model: rows and records by key with small values, compared with the sieve and without.
    #[test]
    fn the_sieve_finds_what_a_full_comparison_finds(
        rows in proptest::collection::btree_map(0_u8..40, 0_u8..3, 0..40),
        records in proptest::collection::btree_map(0_u8..40, 0_u8..3, 0..40),
    ) {
        let comparison = comparison();
        let shape = |value: u8| record(&format!("N{value}"), "1.00");
        let mut sieve = Sieve::with_room(records.len());
        for (key, value) in &records {
            let fingerprint = comparison.fingerprint(&shape(*value));
            sieve.add(&key.to_string(), fingerprint, &format!("00Q{key:012}"));
        }
        sieve.close();
        for (key, value) in &rows {
            let fingerprint = comparison.fingerprint(&shape(*value));
            let met = sieve.meet(&key.to_string(), Some(fingerprint));
            let wanted = match records.get(key) {
                None => Met::Nothing,
                Some(theirs) if theirs == value => Met::Same,
                Some(_) => Met::Other,
            };
            prop_assert_eq!(met, wanted);
        }
        let mut extra: Vec<String> = sieve.unmet().collect();
        extra.sort();
        let wanted: Vec<String> = records
            .keys()
            .filter(|key| !rows.contains_key(*key))
            .map(|key| format!("00Q{key:012}"))
            .collect();
        prop_assert_eq!(extra, wanted);
    }
}
