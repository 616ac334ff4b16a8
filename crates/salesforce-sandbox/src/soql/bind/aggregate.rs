//! Checking aggregate queries: what is grouped, what is computed, and that nothing else is asked for.
use super::compare::{Subject, walk};
use super::{Binder, Bound, is_exact, overall, sort_by};
use crate::schema::{Field, FieldType as T};
use crate::soql::SoqlError;
use crate::soql::ast::{Condition, FieldPath, Function, Item, OrderTerm, Term};
use crate::soql::plan::{Aggregate, GroupKey, Grouping, Slot};

impl Binder<'_, '_> {
    pub(super) fn grouping(&self, items: &[Item]) -> Result<Grouping, SoqlError> {
        let query = self.query;
        let mut grouped = Grouped {
            binder: self,
            grouping: Grouping::default(),
            keys: Vec::new(),
            aggregates: Vec::new(),
        };
        for path in &query.group_by {
            let bound = self.resolve(path)?;
            if !bound.field.groupable() {
                let shown = path.shown();
                let text = format!("field '{shown}' can not be grouped in a query call");
                return Err(SoqlError::malformed(text, path.at()));
            }
            grouped.grouping.keys.push(GroupKey {
                path: bound.path,
                case_sensitive: is_exact(bound.field),
            });
            grouped.keys.push(bound);
        }
        if query.group_by.is_empty() {
            if query.limit.is_some() {
                return Err(overall("LIMIT", query.object.at));
            }
            if let Some(first) = query.order_by.first() {
                return Err(overall("ORDER BY", first.term.at()));
            }
        }
        // Fields come first among the slots, so all of them are known before the first aggregate is added.
        for item in items {
            grouped.select(item)?;
        }
        if let Some(having) = &query.having {
            grouped.having(having)?;
        }
        grouped.order(&query.order_by)?;
        Ok(grouped.grouping)
    }
}

/// The values of a group while a query is being checked.
struct Grouped<'b, 'q, 'c> {
    binder: &'b Binder<'q, 'c>,
    grouping: Grouping,
    keys: Vec<Bound<'c>>,
    /// The fields of the aggregates, none for `COUNT()`.
    aggregates: Vec<Option<&'c Field>>,
}

impl<'c> Grouped<'_, '_, 'c> {
    fn select(&mut self, item: &Item) -> Result<(), SoqlError> {
        let (term, alias) = match item {
            Item::Term { term, alias } => (term, alias),
            Item::Fields { at, .. } => {
                let text = "The SOQL FIELDS function is not supported in grouped queries";
                return Err(SoqlError::malformed(text, *at));
            }
        };
        let unnamed = format!("expr{}", self.unnamed());
        let slot = self.slot(term, "Field")?;
        let name = match (alias, term) {
            (Some(alias), _) => alias.text.clone(),
            (None, Term::Aggregate { .. }) => unnamed,
            // A parent's field goes by its own name.
            (None, Term::Field(_)) => self.keys.get(slot.0).map_or(unnamed, |key| {
                key.name.rsplit('.').next().unwrap_or_default().to_owned()
            }),
        };
        if self
            .grouping
            .columns
            .iter()
            .any(|(taken, _)| taken.eq_ignore_ascii_case(&name))
        {
            let text = format!("duplicate alias: {name}");
            return Err(SoqlError::malformed(text, term.at()));
        }
        self.grouping.columns.push((name, slot));
        Ok(())
    }

    /// Columns so far that got their name by counting.
    fn unnamed(&self) -> usize {
        let is_counted = |name: &str| {
            name.strip_prefix("expr")
                .is_some_and(|number| number.parse::<usize>().is_ok())
        };
        let columns = self.grouping.columns.iter();
        columns.filter(|(name, _)| is_counted(name)).count()
    }

    /// The place of a field's or an aggregate's value; `what` begins the refusal of a field that is neither.
    fn slot(&mut self, term: &Term, what: &str) -> Result<Slot, SoqlError> {
        match term {
            Term::Field(path) => {
                let bound = self.binder.resolve(path)?;
                let found = self.keys.iter().position(|key| key.path == bound.path);
                found.map(Slot).ok_or_else(|| {
                    let shown = path.shown();
                    let text = format!("{what} must be grouped or aggregated: {shown}");
                    SoqlError::malformed(text, path.at())
                })
            }
            Term::Aggregate {
                function, argument, ..
            } => {
                let (aggregate, field) = self.aggregate(*function, argument.as_ref())?;
                let known = self.grouping.aggregates.iter();
                let place = match known.clone().position(|known| *known == aggregate) {
                    Some(place) => place,
                    None => {
                        let place = known.len();
                        self.grouping.aggregates.push(aggregate);
                        self.aggregates.push(field);
                        place
                    }
                };
                Ok(Slot(self.keys.len() + place))
            }
        }
    }

    fn aggregate(
        &self,
        function: Function,
        argument: Option<&FieldPath>,
    ) -> Result<(Aggregate, Option<&'c Field>), SoqlError> {
        let Some(path) = argument else {
            let aggregate = Aggregate {
                function,
                path: None,
                case_sensitive: false,
            };
            return Ok((aggregate, None));
        };
        let bound = self.binder.resolve(path)?;
        let is_number = matches!(
            bound.field.kind,
            T::Int | T::Double | T::Currency | T::Percent
        );
        let fits = match function {
            Function::Sum | Function::Avg => is_number,
            Function::Count | Function::CountDistinct | Function::Min | Function::Max => {
                bound.field.aggregatable()
            }
        };
        if !fits {
            let text = format!(
                "field {} does not support aggregate operator {}",
                path.shown(),
                function.name()
            );
            return Err(SoqlError::malformed(text, path.at()));
        }
        let aggregate = Aggregate {
            function,
            path: Some(bound.path),
            case_sensitive: is_exact(bound.field),
        };
        Ok((aggregate, Some(bound.field)))
    }

    /// The field behind a slot, and the type of its values.
    fn field_of(&self, slot: Slot) -> (Option<&'c Field>, T) {
        let place = slot.0.checked_sub(self.keys.len());
        match place {
            None => match self.keys.get(slot.0) {
                Some(key) => (Some(key.field), key.field.kind),
                None => (None, T::Double),
            },
            Some(place) => {
                let function = self.grouping.aggregates.get(place).map(|a| a.function);
                let field = self.aggregates.get(place).copied().flatten();
                match (function, field) {
                    (Some(Function::Min | Function::Max), Some(field)) => (Some(field), field.kind),
                    _ => (None, T::Double),
                }
            }
        }
    }

    fn having(&mut self, condition: &Condition) -> Result<(), SoqlError> {
        let today = self.binder.context.today;
        let filter = walk(condition, today, &mut |term| {
            let slot = self.slot(term, "Having field")?;
            let (field, kind) = self.field_of(slot);
            Ok(Subject {
                subject: slot,
                kind,
                case_sensitive: field.is_some_and(is_exact),
                shown: match term {
                    Term::Field(path) => path.shown(),
                    Term::Aggregate { function, .. } => function.name().to_owned(),
                },
                at: term.at(),
            })
        })?;
        self.grouping.having = filter;
        Ok(())
    }

    fn order(&mut self, terms: &[OrderTerm]) -> Result<(), SoqlError> {
        for term in terms {
            let slot = self.slot(&term.term, "Ordered field")?;
            let (field, _) = self.field_of(slot);
            let sort = sort_by(term, slot, field);
            let order = &mut self.grouping.order;
            // As for rows: the second time makes no difference.
            if order.iter().all(|known| known.subject != slot) {
                order.push(sort);
            }
        }
        Ok(())
    }
}
