//! From what a query says to a [`Plan`]: object, fields and relationships are looked up, types and rules checked.
//!
//! Wording of the refusals: as real orgs word them where that is known, else in their manner (inference). A field
//! hidden from the integration user is not in its schema and so does not exist here either.
mod aggregate;
mod compare;

use super::SoqlError;
use super::ast::{Condition, FieldPath, FieldSet, Item, Name, OrderTerm, Query, Select, Term};
use super::filter::{Ask, Comparison, Filter, Operand, Test};
use super::order::Sort;
use super::plan::{Access, Column, Output, Path, Plan, Via};
use crate::org::fold;
use crate::schema::{Catalog, Field, FieldType as T, ObjectKind, Schema};
use compare::{Subject, walk};

/// Largest `OFFSET` (SOQL reference).
const MAX_OFFSET: u64 = 2_000;
/// Largest `LIMIT` of a query with `FIELDS(ALL)` or `FIELDS(CUSTOM)` (SOQL reference).
const MAX_FIELDS_LIMIT: u64 = 200;

/// What a query is checked against besides its own text.
#[derive(Clone, Copy)]
pub(crate) struct Context<'c> {
    pub(crate) catalog: Catalog<'c>,
    /// Days since 1970-01-01, UTC.
    pub(crate) today: i32,
}

/// Checks a query and makes it ready to run.
pub(crate) fn bind(query: &Query, context: Context<'_>) -> Result<Plan, SoqlError> {
    let object =
        ObjectKind::named(&query.object.text).ok_or_else(|| no_such_object(&query.object))?;
    let binder = Binder {
        query,
        context,
        object,
        schema: context.catalog.schema(object),
    };
    binder.plan()
}

/// A field that a path leads to.
struct Bound<'c> {
    path: Path,
    field: &'c Field,
    /// Canonical, with its relationship.
    name: String,
}

struct Binder<'q, 'c> {
    query: &'q Query,
    context: Context<'c>,
    object: ObjectKind,
    schema: &'c Schema,
}

impl<'c> Binder<'_, 'c> {
    fn plan(&self) -> Result<Plan, SoqlError> {
        let query = self.query;
        let output = self.output()?;
        let filter = match &query.filter {
            Some(condition) => self.filter(condition)?,
            None => Filter::Always,
        };
        let order = match &output {
            Output::Rows(_) => self.row_order()?,
            Output::Count | Output::Groups(_) => Vec::new(),
        };
        if query.offset.is_some_and(|offset| offset > MAX_OFFSET) {
            let text = format!("Maximum SOQL offset allowed is {MAX_OFFSET}");
            return Err(SoqlError::whole("NUMBER_OUTSIDE_VALID_RANGE", text));
        }
        Ok(Plan {
            object: self.object,
            access: access(self.object, self.schema, &filter),
            output,
            filter,
            order,
            limit: query.limit,
            offset: query.offset.unwrap_or(0),
        })
    }

    fn output(&self) -> Result<Output, SoqlError> {
        let query = self.query;
        let items = match &query.select {
            Select::Items(items) => items,
            Select::Count => {
                if !query.group_by.is_empty() || query.having.is_some() {
                    let text = "Grouped query cannot use COUNT(), use COUNT(Id)";
                    return Err(SoqlError::malformed(text, query.object.at));
                }
                if let Some(first) = query.order_by.first() {
                    return Err(overall("ORDER BY", first.term.at()));
                }
                return Ok(Output::Count);
            }
        };
        let aggregate = |item: &Item| {
            matches!(
                item,
                Item::Term {
                    term: Term::Aggregate { .. },
                    ..
                }
            )
        };
        if query.group_by.is_empty() && !items.iter().any(aggregate) {
            if let Some(having) = &query.having {
                let text = "HAVING is allowed in grouped queries only";
                return Err(SoqlError::malformed(text, condition_at(having)));
            }
            return self.columns(items).map(Output::Rows);
        }
        let grouping = self.grouping(items)?;
        Ok(Output::Groups(Box::new(grouping)))
    }

    fn columns(&self, items: &[Item]) -> Result<Vec<Column>, SoqlError> {
        let mut columns: Vec<Column> = Vec::new();
        for item in items {
            match item {
                Item::Term {
                    term: Term::Field(path),
                    alias,
                } => {
                    if let Some(alias) = alias {
                        let text = "only aggregate expressions use field aliasing";
                        return Err(SoqlError::malformed(text, alias.at));
                    }
                    let bound = self.resolve(path)?;
                    if columns.iter().any(|column| column.path == bound.path) {
                        let text = format!("duplicate field selected: {}", path.shown());
                        return Err(SoqlError::invalid_field(text, path.at()));
                    }
                    columns.push(bound.column());
                }
                Item::Term {
                    term: Term::Aggregate { at, .. },
                    ..
                } => return Err(SoqlError::malformed("unexpected aggregate", *at)),
                Item::Fields { set, at } => self.field_set(*set, *at, &mut columns)?,
            }
        }
        Ok(columns)
    }

    fn field_set(
        &self,
        set: FieldSet,
        at: usize,
        columns: &mut Vec<Column>,
    ) -> Result<(), SoqlError> {
        let limit = self.query.limit;
        if set != FieldSet::Standard && limit.is_none_or(|limit| limit > MAX_FIELDS_LIMIT) {
            let text =
                format!("The SOQL FIELDS function must have a LIMIT of at most {MAX_FIELDS_LIMIT}");
            return Err(SoqlError::malformed(text, at));
        }
        for (number, field) in self.schema.fields() {
            let wanted = match set {
                FieldSet::All => true,
                FieldSet::Standard => !field.custom,
                FieldSet::Custom => field.custom,
            };
            let path = Path {
                via: None,
                field: number,
            };
            if wanted && columns.iter().all(|column| column.path != path) {
                columns.push(Column {
                    path,
                    name: field.name.clone(),
                    kind: field.kind,
                });
            }
        }
        Ok(())
    }

    /// Looks a path up; the first part may be the object's name or alias.
    fn resolve(&self, path: &FieldPath) -> Result<Bound<'c>, SoqlError> {
        let parts = path.parts.as_slice();
        let parts = match parts {
            [first, rest @ ..] if !rest.is_empty() && self.names_object(first) => rest,
            all => all,
        };
        match parts {
            [] => Err(SoqlError::malformed("a field is missing", path.at())),
            [name] => {
                let (number, field) = find_field(self.schema, name, self.entity_name())?;
                Ok(Bound {
                    path: Path {
                        via: None,
                        field: number,
                    },
                    field,
                    name: field.name.clone(),
                })
            }
            [relationship, name] => self.resolve_parent(relationship, name),
            [_, further, ..] => Err(no_such_relationship(further)),
        }
    }

    fn resolve_parent(&self, relationship: &Name, name: &Name) -> Result<Bound<'c>, SoqlError> {
        let found = self.schema.fields().find_map(|(number, field)| {
            let target = field.parent_object()?;
            let label = field.relationship_name()?;
            label
                .eq_ignore_ascii_case(&relationship.text)
                .then_some((number, label, target))
        });
        let (reference, label, target) = found.ok_or_else(|| no_such_relationship(relationship))?;
        let parent = self.context.catalog.schema(target);
        let (number, field) = find_field(parent, name, target.name())?;
        Ok(Bound {
            path: Path {
                via: Some(Via { reference, target }),
                field: number,
            },
            field,
            name: format!("{label}.{}", field.name),
        })
    }

    fn names_object(&self, name: &Name) -> bool {
        let is = |other: &Name| other.text.eq_ignore_ascii_case(&name.text);
        is(&self.query.object) || self.query.alias.as_ref().is_some_and(is)
    }

    fn entity_name(&self) -> &'static str {
        self.object.name()
    }

    fn filter(&self, condition: &Condition) -> Result<Filter<Path>, SoqlError> {
        let mut read = |term: &Term| {
            let path = match term {
                Term::Field(path) => path,
                Term::Aggregate { at, .. } => {
                    let text = "Aggregate expressions are not allowed in the WHERE clause";
                    return Err(SoqlError::malformed(text, *at));
                }
            };
            let bound = self.resolve(path)?;
            if !bound.field.filterable() {
                let shown = path.shown();
                let text = format!("field '{shown}' can not be filtered in a query call");
                return Err(SoqlError::invalid_field(text, path.at()));
            }
            Ok(bound.subject(path))
        };
        walk(condition, self.context.today, &mut read)
    }

    fn row_order(&self) -> Result<Vec<Sort<Path>>, SoqlError> {
        let sort = |term: &OrderTerm| {
            let path = match &term.term {
                Term::Field(path) => path,
                Term::Aggregate { at, .. } => {
                    let text = "Ordered field must be grouped or aggregated";
                    return Err(SoqlError::malformed(text, *at));
                }
            };
            let bound = self.resolve(path)?;
            if !bound.field.sortable() {
                let shown = path.shown();
                let text = format!("field '{shown}' can not be sorted in a query call");
                return Err(SoqlError::malformed(text, path.at()));
            }
            Ok(sort_by(term, bound.path, Some(bound.field)))
        };
        let mut sorts: Vec<Sort<Path>> = Vec::with_capacity(self.query.order_by.len());
        for term in &self.query.order_by {
            let sort = sort(term)?;
            // Rows that agree in a field agree in it the second time (inference that it is accepted at all).
            if sorts.iter().all(|known| known.subject != sort.subject) {
                sorts.push(sort);
            }
        }
        Ok(sorts)
    }
}

impl<'c> Bound<'c> {
    fn column(self) -> Column {
        Column {
            path: self.path,
            name: self.name,
            kind: self.field.kind,
        }
    }

    fn subject(&self, path: &FieldPath) -> Subject<Path> {
        Subject {
            subject: self.path,
            kind: self.field.kind,
            case_sensitive: is_exact(self.field),
            shown: path.shown(),
            at: path.at(),
        }
    }
}

/// Whether case tells values apart; it does for ids whatever describe says.
fn is_exact(field: &Field) -> bool {
    field.case_sensitive || matches!(field.kind, T::Id | T::Reference)
}

fn find_field<'c>(
    schema: &'c Schema,
    name: &Name,
    entity: &str,
) -> Result<(u16, &'c Field), SoqlError> {
    match schema.find(&name.text) {
        Some(number) => Ok((number, schema.field(number))),
        None => {
            let text = format!(
                "No such column '{}' on entity '{entity}'. If you are attempting to use a custom field, be sure to \
                 append the '__c' after the custom field name. Please reference your WSDL or the describe call for \
                 the appropriate names.",
                name.text
            );
            Err(SoqlError::invalid_field(text, name.at))
        }
    }
}

fn no_such_object(name: &Name) -> SoqlError {
    let text = format!(
        "sObject type '{}' is not supported. If you are attempting to use a custom object, be sure to append the \
         '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.",
        name.text
    );
    SoqlError::new("INVALID_TYPE", text, name.at)
}

fn no_such_relationship(name: &Name) -> SoqlError {
    let text = format!(
        "Didn't understand relationship '{}' in field path. If you are attempting to use a custom relationship, be \
         sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe \
         call for the appropriate names.",
        name.text
    );
    SoqlError::invalid_field(text, name.at)
}

/// What a query that computes one row over all may not have.
fn overall(clause: &str, at: usize) -> SoqlError {
    let text =
        format!("Non-grouped query that uses overall aggregate functions cannot also use {clause}");
    SoqlError::malformed(text, at)
}

fn sort_by<S>(term: &OrderTerm, subject: S, field: Option<&Field>) -> Sort<S> {
    let case_sensitive = field.is_some_and(is_exact);
    let ranks = field.map_or(&[][..], |field| &field.picklist);
    Sort {
        subject,
        case_sensitive,
        ranks: ranks
            .iter()
            .map(|value| fold(case_sensitive, value).into_owned())
            .collect(),
        descending: term.descending,
        nulls_last: term.nulls_last,
    }
}

/// Where a condition begins.
fn condition_at(condition: &Condition) -> usize {
    match condition {
        Condition::All(all) | Condition::Any(all) => all.first().map_or(0, condition_at),
        Condition::Not(inner) => condition_at(inner),
        Condition::Compare { term, .. } | Condition::In { term, .. } => term.at(),
    }
}

/// Ids and keys of leads have an index; what else must hold besides them does not matter here.
fn access(object: ObjectKind, schema: &Schema, filter: &Filter<Path>) -> Access {
    if object != ObjectKind::Lead {
        return Access::All;
    }
    let mut tests = Vec::new();
    necessary(filter, &mut tests);
    let found = tests.iter().filter_map(|test| indexed(schema, test));
    found
        .min_by_key(|access| match access {
            Access::Ids(ids) => ids.len(),
            Access::Keys { keys, .. } => keys.len(),
            Access::All => usize::MAX,
        })
        .unwrap_or(Access::All)
}

/// The tests that every row has to pass.
fn necessary<'f>(filter: &'f Filter<Path>, tests: &mut Vec<&'f Test<Path>>) {
    match filter {
        Filter::All(all) => all.iter().for_each(|filter| necessary(filter, tests)),
        Filter::Test(test) => tests.push(test),
        Filter::Always | Filter::Any(_) | Filter::Not(_) => {}
    }
}

fn indexed(schema: &Schema, test: &Test<Path>) -> Option<Access> {
    let path = test.subject;
    if path.via.is_some() {
        return None;
    }
    let field = schema.field(path.field);
    if field.kind == T::Id {
        return match &test.ask {
            Ask::Compare(Comparison::Equal, Operand::Id(id)) => Some(Access::Ids(vec![id.clone()])),
            Ask::OneOf {
                negated: false,
                list,
            } => list
                .only_ids()
                .map(|ids| Access::Ids(ids.iter().cloned().collect())),
            _ => None,
        };
    }
    if !field.unique && !field.is_upsert_key() {
        return None;
    }
    // Keys that are told apart by case where queries do not do so are of no use here.
    if field.keys_mind_case() != field.case_sensitive {
        return None;
    }
    let keys = match &test.ask {
        Ask::Compare(Comparison::Equal, operand) => vec![operand.key()?],
        Ask::OneOf {
            negated: false,
            list,
        } => list.keys()?,
        _ => return None,
    };
    Some(Access::Keys {
        field: path.field,
        keys,
    })
}
