//! What an update changed: for each row, which of the wanted columns differ between its image
//! before and its image after. An update that changed no column of a route costs it no call.

use mysql_cdc::events::row_events::mysql_value::MySqlValue;
use mysql_cdc::events::row_events::row_data::UpdateRowData;

use super::decode::Cell;
use super::routing::Step;

/// Flags by slot, row after row.
#[derive(Debug)]
pub(super) struct Touched<'l> {
    wanted: &'l [(usize, Cell)],
    flags: Vec<bool>,
}

impl<'l> Touched<'l> {
    pub(super) fn new(wanted: &'l [(usize, Cell)]) -> Self {
        Self {
            wanted,
            flags: Vec::new(),
        }
    }

    /// Notes the next row. A column that only one of the images holds counts as changed when that
    /// is the image after: the one before then says only which row it is.
    pub(super) fn note(&mut self, row: &UpdateRowData, before: &[bool], after: &[bool]) {
        let holds = |present: &[bool], column: usize| present.get(column).copied() == Some(true);
        for (column, _) in self.wanted {
            let is_changed = holds(after, *column)
                && !(holds(before, *column)
                    && same(
                        row.before_update.cells.get(*column),
                        row.after_update.cells.get(*column),
                    ));
            self.flags.push(is_changed);
        }
    }

    /// The flags of a row, by slot.
    pub(super) fn of(&self, row: usize) -> &[bool] {
        let slots = self.wanted.len();
        self.flags
            .get(row * slots..(row + 1) * slots)
            .unwrap_or_default()
    }
}

/// What one row's update changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Changed<'t> {
    /// By slot; `None`: nobody compared, or it is no update.
    pub(super) slots: Option<&'t [bool]>,
    /// The row comes although nothing changed.
    pub(super) comes_unchanged: bool,
}

impl Changed<'_> {
    /// Whether a route gets the row.
    pub(super) fn concerns(&self, step: &Step) -> bool {
        self.comes_unchanged
            || self.slots.is_none_or(|changed| {
                let mut slots = step.values.iter().map(|(slot, _)| *slot);
                slots.any(|slot| changed.get(slot).copied().unwrap_or(true))
            })
    }

    /// Whether the row is another record for a route than before: its external id's column is the
    /// first of its columns.
    pub(super) fn key_of(&self, step: &Step) -> bool {
        let key = step.values.first().filter(|_| step.carries);
        self.slots
            .zip(key)
            .is_some_and(|(changed, (slot, _))| changed.get(*slot) == Some(&true))
    }
}

type Place<'c> = Option<&'c Option<MySqlValue>>;

/// Whether two values are the same bytes. The row parser's values cannot be compared themselves;
/// of kinds that the rewritten table maps never ask for, none equals another.
fn same(before: Place<'_>, after: Place<'_>) -> bool {
    use MySqlValue as V;
    let (before, after) = match (before, after) {
        (Some(None), Some(None)) => return true,
        (Some(Some(before)), Some(Some(after))) => (before, after),
        _ => return false,
    };
    match (before, after) {
        (V::TinyInt(a), V::TinyInt(b)) => a == b,
        (V::SmallInt(a), V::SmallInt(b)) | (V::Year(a), V::Year(b)) => a == b,
        (V::MediumInt(a), V::MediumInt(b)) | (V::Int(a), V::Int(b)) | (V::Enum(a), V::Enum(b)) => {
            a == b
        }
        (V::BigInt(a), V::BigInt(b)) | (V::Set(a), V::Set(b)) => a == b,
        (V::Float(a), V::Float(b)) => a.to_bits() == b.to_bits(),
        (V::Double(a), V::Double(b)) => a.to_bits() == b.to_bits(),
        (V::Decimal(a), V::Decimal(b)) | (V::String(a), V::String(b)) => a == b,
        (V::Bit(a), V::Bit(b)) => a == b,
        (V::Blob(a), V::Blob(b)) => a == b,
        (V::Date(a), V::Date(b)) => (a.year, a.month, a.day) == (b.year, b.month, b.day),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mysql_cdc::events::row_events::row_data::RowData;

    fn row(before: Vec<Option<u32>>, after: Vec<Option<u32>>) -> UpdateRowData {
        let cells = |values: Vec<Option<u32>>| RowData {
            cells: values.into_iter().map(|v| v.map(MySqlValue::Int)).collect(),
        };
        UpdateRowData {
            before_update: cells(before),
            after_update: cells(after),
        }
    }

    #[track_caller]
    fn check(row: &UpdateRowData, before: [bool; 2], after: [bool; 2], expected: [bool; 2]) {
        let wanted = [(0, Cell::Year), (1, Cell::Year)];
        let mut touched = Touched::new(&wanted);
        touched.note(row, &before, &after);
        assert_eq!(touched.of(0), expected);
    }

    #[test]
    fn of_two_full_images_what_differs_is_changed() {
        let full = [true, true];
        let changed = row(vec![Some(1), Some(2)], vec![Some(1), Some(3)]);
        check(&changed, full, full, [false, true]);
        let nulled = row(vec![None, Some(2)], vec![None, None]);
        check(&nulled, full, full, [false, true]);
    }

    #[test]
    fn a_changed_key_is_seen_by_the_routes_that_carry_updates_and_know_it_by_that_column() {
        let step = |carries, slots: &[usize]| Step {
            route: crate::core::change::RouteId(0),
            carries,
            values: slots.iter().map(|slot| (*slot, false)).collect(),
            takes_all: false,
        };
        let changed = |slots| Changed {
            slots,
            comes_unchanged: true,
        };
        let key_changed = Some([true, false].as_slice());
        assert!(changed(key_changed).key_of(&step(true, &[0, 1])));
        assert!(!changed(key_changed).key_of(&step(true, &[1, 0])));
        assert!(!changed(key_changed).key_of(&step(false, &[])));
        assert!(!changed(None).key_of(&step(true, &[0])));
    }

    #[test]
    fn of_a_minimal_image_all_that_stands_in_it_is_changed_and_nothing_else() {
        let minimal = row(vec![Some(1), None], vec![None, Some(3)]);
        check(&minimal, [true, false], [false, true], [false, true]);
        let nulled = row(vec![Some(1), None], vec![None, None]);
        check(&nulled, [true, false], [false, true], [false, true]);
        check(&nulled, [true, false], [false, false], [false, false]);
    }
}
