//! Where secrets come from: the environment, or a file that the configuration names. Never the
//! configuration file itself, which gets copied, mailed and committed, nor a flag, which every user
//! of the machine can see.

use crate::core::secret::Secret;

use super::layers::{Layer, variable_name};
use super::mistake::{SECRET, WRONG_VALUE};
use super::reader::{Reader, Table};

/// The secret `name`, or what the file `name_file` holds; the later layer wins. `Some(None)`:
/// neither is given.
pub(super) fn read_secret<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
    name: &str,
) -> Option<Option<Secret>> {
    let file_key = format!("{name}_file");
    let path = table.path_of(name);
    let direct = table
        .get(name)
        .map(|value| (reader.layers.origin(value, &path).layer, value));
    let file = table
        .get(&file_key)
        .map(|value| reader.layers.origin(value, &table.path_of(&file_key)).layer);
    let variable = variable_name(&path);
    let way_out =
        format!("remove it; set {variable}, or name a file that holds it with {file_key}");
    if reader.layers.is_in_file(&path) {
        let rule = "a secret must not stand in the configuration file";
        reader.refuse_in_file(path, SECRET, rule, way_out);
        return None;
    }
    if let Some((Layer::Flag, _)) = direct {
        let rule = "a secret must not be given by a flag: other users can see it";
        return reader.refuse(table, name, SECRET, rule, way_out);
    }
    match (direct, file) {
        (Some((direct_layer, _)), Some(file_layer)) if direct_layer == file_layer => reader.refuse(
            table,
            &file_key,
            WRONG_VALUE,
            format!("is given together with {variable}"),
            "give one of them",
        ),
        (Some((direct_layer, value)), file_layer)
            if file_layer.is_none_or(|f| f < direct_layer) =>
        {
            match value.as_str().filter(|text| !text.is_empty()) {
                Some(text) => Some(Some(Secret::new(text))),
                None => reader.refuse(
                    table,
                    name,
                    SECRET,
                    "the variable is empty",
                    format!("put the secret into {variable}, or unset it and use {file_key}"),
                ),
            }
        }
        (_, Some(_)) => read_file(reader, table, &file_key),
        _ => Some(None),
    }
}

fn read_file<'a>(
    reader: &mut Reader<'a>,
    table: &Table<'a>,
    file_key: &str,
) -> Option<Option<Secret>> {
    let path = reader.required(table, file_key, |given| given.some_text())?;
    let text = match (reader.read_file)(path.as_ref()) {
        Ok(text) => text,
        Err(error) => {
            return reader.refuse(
                table,
                file_key,
                SECRET,
                format!("the file cannot be read: {error}"),
                "create it, readable by the user that runs leadstream and by nobody else",
            );
        }
    };
    // Editors end files with a line end; it is not part of a password.
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return reader.refuse(
            table,
            file_key,
            SECRET,
            "the file is empty",
            "write the secret into it",
        );
    }
    Some(Some(Secret::new(secret)))
}
