//! The text of `sf__Error`: `CODE:message:field1 field2 --`, `CODE:message:--` without fields (facts 5.3).
use crate::org::Refusal;

/// All errors of a record, one after another.
pub(super) fn format(refusals: &[Refusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        text.push_str(&refusal.code);
        text.push(':');
        text.push_str(&refusal.message);
        text.push(':');
        for (i, field) in refusal.fields.iter().enumerate() {
            if i > 0 {
                text.push(' ');
            }
            text.push_str(field);
        }
        text.push_str(if refusal.fields.is_empty() {
            "--"
        } else {
            " --"
        });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_with_and_without_fields() {
        let missing = Refusal::record(
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [Company, LastName]",
            &["Company", "LastName"],
        );
        let locked = Refusal::new(
            "UNABLE_TO_LOCK_ROW",
            "unable to obtain exclusive access to this record or 1 records: 00QHp0000000001AAA",
        );
        assert_eq!(
            format(std::slice::from_ref(&missing)),
            "REQUIRED_FIELD_MISSING:Required fields are missing: [Company, LastName]:Company LastName --"
        );
        assert_eq!(
            format(&[locked, missing]),
            "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record or 1 records: 00QHp0000000001AAA:--\
             REQUIRED_FIELD_MISSING:Required fields are missing: [Company, LastName]:Company LastName --"
        );
    }
}
