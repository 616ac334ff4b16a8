//! File, environment and flags, laid over each other by figment; where each value came from.
//!
//! Every environment variable and every flag is a provider of its own, so that figment's metadata
//! names the very one that a value came from. Their values are texts; the reader turns them into
//! the type of their key. Only a key that holds a table or a list is read as TOML here.

use std::path::Path;

use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider, Source};

use super::keys::{self, KEYS, Kind};
use super::mistake::{Mistake, Mistakes, NOT_TOML, UNKNOWN_KEY, WRONG_VALUE, redact_line};
use super::toml_text::{self, Places};

const PREFIX: &str = "LEADSTREAM_";

/// Which layer a value came from; later ones win.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    File,
    Environment,
    Flag,
}

/// Where mistakes stand in a report: those of the file first, in its order.
pub(super) type Place = (Layer, usize);

#[derive(Debug)]
pub(super) struct Placed {
    pub place: Place,
    pub mistake: Mistake,
}

#[derive(Debug)]
pub(super) struct Origin {
    pub layer: Layer,
    pub place: Place,
    /// `config/leadstream.toml:12`, `LEADSTREAM_BATCH__MAX_AGE`, `--set batch.max_age`.
    pub text: String,
}

/// All layers, merged.
pub(super) struct Layers<'a> {
    figment: Figment,
    root: Dict,
    file: Option<(&'a Path, &'a str)>,
    places: Places,
}

impl<'a> Layers<'a> {
    /// Merges the layers; what cannot be placed in them is added to `mistakes`.
    ///
    /// # Errors
    /// A file that is not TOML: the one mistake that makes all others unreliable.
    pub fn merge(
        file: Option<(&'a Path, &'a str)>,
        environment: &[(String, String)],
        set: &[String],
        mistakes: &mut Vec<Placed>,
    ) -> Result<Self, Mistakes> {
        let mut figment = Figment::new();
        let mut places = Places::new();
        if let Some((path, text)) = file {
            let (dict, found) = toml_text::parse_document(text)
                .map_err(|broken| Mistakes(vec![broken_file(path, text, &broken)]))?;
            places = found;
            figment = figment.merge(Given {
                metadata: Metadata::from("file", Source::File(path.to_owned())),
                dict,
            });
        }
        let mut variables: Vec<_> = environment.iter().collect();
        variables.sort();
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix(PREFIX) else {
                continue;
            };
            if let Some(key) = variable_key(variable, name, mistakes) {
                figment = add(figment, Layer::Environment, variable, &key, value, mistakes);
            }
        }
        for flag in set {
            match flag.split_once('=').map(|(key, value)| (key.trim(), value)) {
                Some((key, value)) if !key.is_empty() => {
                    let name = format!("--set {key}");
                    figment = add(figment, Layer::Flag, &name, key, value, mistakes);
                }
                _ => mistakes.push(Placed {
                    place: (Layer::Flag, 0),
                    mistake: Mistake {
                        page: WRONG_VALUE,
                        path: String::new(),
                        origin: "--set".to_owned(),
                        rule: "a flag --set without a key and a value".to_owned(),
                        // It may be a secret that lost its key.
                        value: None,
                        remedy: "write --set KEY=VALUE, such as --set batch.max_age=0s".to_owned(),
                    },
                }),
            }
        }
        // Providers that only hand over what they hold do not fail.
        let root = figment
            .find_value("")
            .ok()
            .and_then(Value::into_dict)
            .unwrap_or_default();
        Ok(Self {
            figment,
            root,
            file,
            places,
        })
    }

    pub fn root(&self) -> &Dict {
        &self.root
    }

    /// Where a value came from.
    pub fn origin(&self, value: &Value, path: &str) -> Origin {
        let metadata = self.figment.get_metadata(value.tag());
        match metadata.map(|metadata| (&metadata.source, &metadata.name)) {
            Some((Some(Source::Custom(layer)), name)) => {
                let layer = if layer == "flag" {
                    Layer::Flag
                } else {
                    Layer::Environment
                };
                Origin {
                    layer,
                    place: (layer, 0),
                    text: name.to_string(),
                }
            }
            _ => self.origin_of_missing(path),
        }
    }

    /// Where a key that is not there should have been: the nearest table around it.
    pub fn origin_of_missing(&self, path: &str) -> Origin {
        let Some((file, text)) = self.file else {
            let layer = Layer::Environment;
            let text = "environment and flags, without a file".to_owned();
            return Origin {
                layer,
                place: (layer, 0),
                text,
            };
        };
        let mut around = path;
        loop {
            if let Some(offset) = self.places.get(around) {
                let (line, ..) = toml_text::locate(text, *offset);
                let text = format!("{}:{line}", file.display());
                return Origin {
                    layer: Layer::File,
                    place: (Layer::File, *offset),
                    text,
                };
            }
            match around.rfind(['.', '[']) {
                Some(end) => around = &around[..end],
                None => {
                    let place = (Layer::File, usize::MAX);
                    let text = file.display().to_string();
                    return Origin {
                        layer: Layer::File,
                        place,
                        text,
                    };
                }
            }
        }
    }

    /// Whether the file gives the key, even when a later layer hides it.
    pub fn is_in_file(&self, path: &str) -> bool {
        self.places.contains_key(path)
    }

    /// Byte offset of a key in the file; those from elsewhere come last.
    pub fn offset(&self, path: &str) -> usize {
        self.places.get(path).copied().unwrap_or(usize::MAX)
    }
}

/// One layer's values, as they are handed to figment.
struct Given {
    metadata: Metadata,
    dict: Dict,
}

impl Provider for Given {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Map::from([(Profile::Default, self.dict.clone())]))
    }
}

fn broken_file(path: &Path, text: &str, broken: &toml_text::Broken) -> Mistake {
    let (line, column, shown) = toml_text::locate(text, broken.offset);
    let before = text.get(..broken.offset).unwrap_or(text);
    Mistake {
        page: NOT_TOML,
        path: String::new(),
        origin: format!("{}:{line}:{column}", path.display()),
        rule: format!(
            "line {line}, column {column} is not TOML: {}",
            broken.message
        ),
        value: None,
        remedy: format!("mend this line: {}", redact_line(before, shown)),
    }
}

/// The key that a variable means. Names without a double underscore are not ours: a container
/// platform may set LEADSTREAM_PORT for a service of our name; but one that spells a key with
/// single underscores is a slip.
fn variable_key(variable: &str, name: &str, mistakes: &mut Vec<Placed>) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if name.contains("__") || name == "route" {
        return Some(name.replace("__", "."));
    }
    let meant = KEYS.iter().find(|key| {
        key.path.contains('.') && !key.path.contains('[') && key.path.replace('.', "_") == name
    })?;
    mistakes.push(Placed {
        place: (Layer::Environment, 0),
        mistake: Mistake {
            page: UNKNOWN_KEY,
            path: meant.path.to_owned(),
            origin: variable.to_owned(),
            rule: "a variable with one underscore between section and key is not read".to_owned(),
            value: None,
            remedy: format!("name it {}", variable_name(meant.path)),
        },
    });
    None
}

/// The environment variable of a key.
pub(super) fn variable_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

fn add(
    figment: Figment,
    layer: Layer,
    origin: &str,
    key: &str,
    value: &str,
    mistakes: &mut Vec<Placed>,
) -> Figment {
    if key.starts_with("route.") || key.starts_with("route[") {
        mistakes.push(Placed {
            place: (layer, 0),
            mistake: Mistake {
                page: WRONG_VALUE,
                path: key.to_owned(),
                origin: origin.to_owned(),
                rule: "a route cannot be changed key by key from outside the file".to_owned(),
                value: None,
                remedy: "change it in the file, or give all routes at once as a TOML list of \
                         tables in LEADSTREAM_ROUTE"
                    .to_owned(),
            },
        });
        return figment;
    }
    let holds_more =
        keys::find(key).is_some_and(|key| matches!(key.kind, Kind::Table | Kind::List(_)));
    let structure = if holds_more {
        toml_text::parse_value(value)
    } else {
        None
    };
    let mut value = structure.unwrap_or_else(|| Value::from(value.to_owned()));
    let mut names: Vec<&str> = key.split('.').collect();
    let Some(first) = (!names.is_empty()).then(|| names.remove(0)) else {
        return figment;
    };
    for name in names.into_iter().rev() {
        value = Value::from(Dict::from([(name.to_owned(), value)]));
    }
    let source = if layer == Layer::Flag {
        "flag"
    } else {
        "environment"
    };
    figment.merge(Given {
        metadata: Metadata::from(origin.to_owned(), Source::Custom(source.to_owned())),
        dict: Dict::from([(first.to_owned(), value)]),
    })
}
