//! What Salesforce says of an object: the part of its describe that mapping and checks need.
//! Source: salesforce REST describe, `GET /services/data/vXX.X/sobjects/{object}/describe`.

/// An object and the fields that the integration user can see.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectDescribe {
    pub name: String,
    pub createable: bool,
    pub updateable: bool,
    pub fields: Vec<FieldDescribe>,
    /// Those that the integration user may give to a record.
    pub record_types: Vec<RecordType>,
}

/// A kind of record of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordType {
    /// 18 characters.
    pub id: String,
    /// Its API name, the same in every org that it is deployed to.
    pub developer_name: String,
    pub name: String,
}

impl ObjectDescribe {
    /// The field of that API name; Salesforce compares them without case.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&FieldDescribe> {
        self.fields
            .iter()
            .find(|field| field.name.eq_ignore_ascii_case(name))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct FieldDescribe {
    pub name: String,
    pub label: String,
    pub kind: FieldKind,
    pub nillable: bool,
    pub defaulted_on_create: bool,
    pub createable: bool,
    pub updateable: bool,
    pub external_id: bool,
    pub unique: bool,
    pub case_sensitive: bool,
    pub id_lookup: bool,
}

impl FieldDescribe {
    /// Must be given when a record is created.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.createable && !self.nillable && !self.defaulted_on_create
    }
}

/// A field's type with the limits that its values must keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// string, textarea, phone, url, encryptedstring, combobox: length in characters.
    Text {
        max_chars: u32,
    },
    Email {
        max_chars: u32,
    },
    /// Values are given when the picklist is restricted.
    Picklist {
        max_chars: u32,
        restricted: Option<Vec<String>>,
    },
    MultiPicklist {
        max_chars: u32,
        restricted: Option<Vec<String>>,
    },
    Boolean,
    /// Digits at most.
    Int {
        digits: u32,
    },
    /// double, currency, percent: digits in all, and behind the point.
    Number {
        precision: u32,
        scale: u32,
    },
    Date,
    DateTime,
    Time,
    /// id and reference: 15 or 18 characters.
    Reference,
    /// address, location, base64 and whatever comes: cannot be written from a column.
    Unsupported(String),
}
