//! The making of what is more than a column: filters, expressions, templates, value maps.

use std::collections::HashMap;

use super::{Compiler, TYPES_DIFFER, UNKNOWN_COLUMN, nearest};
use crate::core::describe::{FieldDescribe, FieldKind};
use crate::core::mapping::computed::{PlannedUnmapped, Recipe, TemplatePart, Uses, ValueMap};
use crate::core::mapping::expression::{self, ColumnFault, Concerns, Expression, Type};
use crate::core::mapping::filter::Filter;
use crate::core::mapping::fit::check_fit;
use crate::core::mapping::template::{self, Piece};
use crate::core::mapping::{FieldSource, FieldSpec, OnTooLong, Scalar, Unmapped};
use crate::core::schema::ColumnKind;

const BAD_EXPRESSION: &str = "LS4020";
const BAD_TYPES: &str = "LS4021";
const BAD_TEMPLATE: &str = "LS4022";
const BAD_MAP: &str = "LS4023";
const NEVER_CUT: &str = "LS4024";

impl Compiler<'_> {
    /// The route's filter; `None` without one, or with a mistake.
    pub(super) fn filter(&mut self) -> Option<Filter> {
        let source = self.spec.filter.as_deref()?;
        let expression = self.expression("where", source)?;
        // Read a second time: compiling has made the first one its own.
        let necessary = expression::parse(source).ok().and_then(|parsed| {
            let kind_of = |name: &str| Some(&self.table.column(name)?.kind);
            expression::necessary(&parsed, &kind_of)
        });
        if !matches!(expression.gives, Type::Bool | Type::Any) {
            self.mistake(
                BAD_TYPES,
                "where",
                format!("gives {}, not true or false", expression.gives),
                "compare something: column == 1, column != null".to_owned(),
            );
            return None;
        }
        Some(Filter {
            expression,
            necessary,
            path: format!("{}.where", self.spec.path),
        })
    }

    fn expression(&mut self, path: &str, source: &str) -> Option<Expression> {
        let compiled = expression::parse(source)
            .map_err(|fault| vec![(Concerns::Form, fault)])
            .and_then(|parsed| {
                expression::compile(parsed, &mut |name| self.expression_column(path, name))
            });
        match compiled {
            Ok(expression) => Some(expression),
            Err(faults) => {
                for (concerns, fault) in faults {
                    let page = match concerns {
                        Concerns::Form => BAD_EXPRESSION,
                        Concerns::Column => UNKNOWN_COLUMN,
                        Concerns::Types => BAD_TYPES,
                    };
                    self.mistake(page, path, fault.text, fault.remedy);
                }
                None
            }
        }
    }

    fn expression_column(&mut self, path: &str, name: &str) -> Result<(usize, Type), ColumnFault> {
        if let Some(column) = self.table.column(name) {
            return match Type::of_column(&column.kind) {
                Ok(kind) => Ok((self.place(&column.name), kind)),
                Err(why) => Err(ColumnFault {
                    text: format!("column {name:?} {why}"),
                    remedy: "use another column, or a generated one that turns it into text or \
                             numbers"
                        .to_owned(),
                    is_unknown: false,
                }),
            };
        }
        if self.assume {
            let (place, _) = self.column(path, name).ok_or_else(|| ColumnFault {
                text: format!("unknown column {name:?}"),
                remedy: "name a column of the table".to_owned(),
                is_unknown: true,
            })?;
            return Ok((place, Type::Any));
        }
        let names = self.table.columns.iter().map(|column| column.name.as_str());
        Err(ColumnFault {
            text: format!("unknown column {name:?}"),
            remedy: nearest(name, names).map_or_else(
                || {
                    format!(
                        "name a column of {}; texts stand in quotes",
                        self.table.name
                    )
                },
                |near| format!("did you mean {near:?}?"),
            ),
            is_unknown: true,
        })
    }

    /// What fills a field that is more than a column, with the columns that it rests on.
    pub(super) fn recipe(
        &mut self,
        spec: &FieldSpec,
        field: &FieldDescribe,
    ) -> Option<(Recipe, Uses)> {
        match &spec.source {
            FieldSource::Column { .. } | FieldSource::Constant(_) | FieldSource::RecordType(_) => {
                None
            }
            FieldSource::Map {
                column,
                pairs,
                unmapped,
                ..
            } => self.value_map(spec, field, column, pairs, unmapped),
            FieldSource::Template { text, .. } => self.template(spec, field, text),
            FieldSource::Expression { text, .. } => self.computed(spec, field, text),
        }
    }

    fn computed(
        &mut self,
        spec: &FieldSpec,
        field: &FieldDescribe,
        source: &str,
    ) -> Option<(Recipe, Uses)> {
        let path = format!("fields.{}.expression", spec.field);
        let expression = self.expression(&path, source)?;
        if let Some((reason, remedy)) = no_place_for(&expression.gives, &field.kind) {
            let text = format!(
                "{} takes {}, the expression gives {}: {reason}",
                field.name,
                field.kind.word(),
                expression.gives
            );
            self.mistake(TYPES_DIFFER, &path, text, remedy);
            return None;
        }
        let uses = self.uses(expression.columns());
        let path = format!("{}.{path}", self.spec.path);
        Some((Recipe::Expression { expression, path }, uses))
    }

    fn template(
        &mut self,
        spec: &FieldSpec,
        field: &FieldDescribe,
        source: &str,
    ) -> Option<(Recipe, Uses)> {
        let path = format!("fields.{}.template", spec.field);
        let pieces = match template::parse(source) {
            Ok(pieces) => pieces,
            Err(text) => {
                let remedy = "write \"{first_name} {last_name}\"".to_owned();
                self.mistake(BAD_TEMPLATE, &path, text, remedy);
                return None;
            }
        };
        if let Err(misfit) = check_fit(&ColumnKind::Text { max_chars: 0 }, &field.kind) {
            let text = format!(
                "{} takes {}, a template gives text: {}",
                field.name,
                field.kind.word(),
                misfit.reason
            );
            self.mistake(TYPES_DIFFER, &path, text, misfit.remedy);
            return None;
        }
        let mistakes = self.mistakes.len();
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => parts.push(TemplatePart::Text(text)),
                Piece::Column(name) => {
                    let Some((index, kind)) = self.column(&path, &name) else {
                        continue;
                    };
                    if matches!(kind, ColumnKind::Bytes)
                        || matches!(kind, ColumnKind::Other(name) if !name.is_empty())
                    {
                        self.mistake(
                            BAD_TEMPLATE,
                            &path,
                            format!("column {name:?} is {}, which has no text", kind.word()),
                            "use another column, or a generated one that turns it into text"
                                .to_owned(),
                        );
                    }
                    parts.push(TemplatePart::Column(index));
                }
            }
        }
        if self.mistakes.len() > mistakes {
            return None;
        }
        let columns: Vec<usize> = parts
            .iter()
            .filter_map(|part| match part {
                TemplatePart::Column(index) => Some(*index),
                TemplatePart::Text(_) => None,
            })
            .collect();
        let uses = self.uses(columns.into_iter());
        Some((Recipe::Template(parts), uses))
    }

    fn value_map(
        &mut self,
        spec: &FieldSpec,
        field: &FieldDescribe,
        column: &str,
        pairs: &[(String, Scalar)],
        unmapped: &Unmapped,
    ) -> Option<(Recipe, Uses)> {
        let path = format!("fields.{}", spec.field);
        let map_path = format!("{path}.map");
        let (index, kind) = self.column(&format!("{path}.column"), column)?;
        if let Some(why) = no_key(kind) {
            let text = format!("column {column:?} is {}: {why}", kind.word());
            let remedy = "map a column of integers, text or ENUM".to_owned();
            self.mistake(BAD_MAP, &map_path, text, remedy);
            return None;
        }
        let mistakes = self.mistakes.len();
        self.keys_of(&map_path, kind, pairs);
        if matches!(unmapped, Unmapped::Keep)
            && !matches!(kind, ColumnKind::Other(_))
            && let Err(misfit) = check_fit(kind, &field.kind)
        {
            let text = format!(
                "{} takes {}, and a value that the map does not list would be kept: {}",
                field.name,
                field.kind.word(),
                misfit.reason
            );
            let path = format!("{path}.on_unmapped");
            self.mistake(TYPES_DIFFER, &path, text, misfit.remedy);
        }
        let mut listed = HashMap::with_capacity(pairs.len());
        for (key, scalar) in pairs {
            let path = format!("{map_path}.{key}");
            if let Some(json) = self.literal(&path, scalar, field) {
                let key = if spec.trim { key.trim() } else { key };
                listed.insert(key.to_owned(), json);
            }
        }
        let unmapped = match unmapped {
            Unmapped::DeadLetter => PlannedUnmapped::DeadLetter,
            Unmapped::Keep => PlannedUnmapped::Keep,
            Unmapped::Otherwise(scalar) => {
                let path = format!("{path}.otherwise");
                PlannedUnmapped::Otherwise(self.literal(&path, scalar, field)?)
            }
        };
        if self.mistakes.len() > mistakes {
            return None;
        }
        let map = ValueMap {
            index,
            trim: spec.trim,
            pairs: listed,
            unmapped,
            path: format!("{}.{map_path}", self.spec.path),
        };
        let uses = self.uses(std::iter::once(index));
        Some((Recipe::Map(map), uses))
    }

    /// Keys that no value of the column can have are mistyped.
    fn keys_of(&mut self, path: &str, kind: &ColumnKind, pairs: &[(String, Scalar)]) {
        for (key, _) in pairs {
            let near = match kind {
                ColumnKind::Enum { labels }
                    if !labels.iter().any(|label| label == key) && !key.is_empty() =>
                {
                    nearest(key, labels.iter().map(String::as_str))
                }
                ColumnKind::Integer { .. } | ColumnKind::Year | ColumnKind::Bit { .. }
                    if !key.trim().is_empty() && key.trim().parse::<i128>().is_err() =>
                {
                    None
                }
                _ => continue,
            };
            self.mistake(
                BAD_MAP,
                path,
                format!("the column, {}, never holds {key:?}", kind.word()),
                near.map_or_else(
                    || "list values as the column has them".to_owned(),
                    |near| format!("did you mean {near:?}?"),
                ),
            );
        }
    }

    fn uses(&self, places: impl Iterator<Item = usize>) -> Uses {
        let mut columns: Vec<(usize, String)> = Vec::new();
        let mut keys: Vec<(usize, String)> = Vec::new();
        for place in places {
            let name = self.columns.get(place).cloned().unwrap_or_default();
            let column = self.table.column(&name);
            let list = match column.is_some_and(|column| column.primary_key) {
                true => &mut keys,
                false => &mut columns,
            };
            if !list.iter().any(|(known, _)| *known == place) {
                list.push((place, name));
            }
        }
        // What rests on the key alone is worked out from it.
        if columns.is_empty() {
            columns = keys;
        }
        Uses { columns }
    }

    /// The characters that a text may have at most, where longer ones are cut.
    pub(super) fn cut(&mut self, spec: &FieldSpec, field: &FieldDescribe) -> Option<u32> {
        let policy = spec.on_too_long.unwrap_or(self.spec.on_too_long);
        if policy == OnTooLong::DeadLetter {
            return None;
        }
        match &field.kind {
            FieldKind::Text { max_chars } if !field.unique && !field.id_lookup => Some(*max_chars),
            kind => {
                // The route's own setting is for the texts among its fields.
                if spec.on_too_long.is_some() {
                    let what = match kind {
                        FieldKind::Text { .. } => "a key",
                        kind => kind.word(),
                    };
                    self.mistake(
                        NEVER_CUT,
                        &format!("fields.{}.on_too_long", spec.field),
                        format!(
                            "{} holds {what}, which would be another one when cut",
                            field.name
                        ),
                        "leave it out, or map a shorter column".to_owned(),
                    );
                }
                None
            }
        }
    }
}

/// Why a column's values cannot be looked up in a map.
fn no_key(kind: &ColumnKind) -> Option<&'static str> {
    match kind {
        ColumnKind::Float | ColumnKind::Double => {
            Some("a floating number has no one way to be written")
        }
        ColumnKind::Json => Some("a JSON document has no one way to be written"),
        ColumnKind::Bytes => Some("their charset is not known"),
        ColumnKind::Other(name) if !name.is_empty() => Some("it has no text"),
        _ => None,
    }
}

/// Why an expression's value has no place in a field, and what to do instead.
fn no_place_for(gives: &Type, field: &FieldKind) -> Option<(String, String)> {
    let column = match gives {
        Type::Any | Type::Null => return None,
        Type::Bool if *field == FieldKind::Boolean => return None,
        Type::Bool => {
            return Some((
                "only a checkbox takes it".to_owned(),
                "write … ? \"yes\" : \"no\"".to_owned(),
            ));
        }
        Type::List(_) => {
            return Some((
                "a list is for in alone".to_owned(),
                "map the SET column itself".to_owned(),
            ));
        }
        Type::Int => ColumnKind::Integer {
            bytes: 8,
            unsigned: false,
        },
        Type::Uint => ColumnKind::Integer {
            bytes: 8,
            unsigned: true,
        },
        Type::Double => ColumnKind::Double,
        Type::Decimal => ColumnKind::Decimal {
            precision: 65,
            scale: 30,
        },
        Type::Text => ColumnKind::Text { max_chars: 0 },
        Type::Moment => ColumnKind::Timestamp,
    };
    let misfit = check_fit(&column, field).err()?;
    Some((misfit.reason, misfit.remedy))
}
