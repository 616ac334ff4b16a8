//! Every column type, with the values that are known to be difficult and a source of others.

use super::dice::Dice;

/// How a column is asked for, so that nothing of its value is lost in print.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Print {
    /// As it is.
    Plain,
    /// A date or time with that many digits behind the point.
    Moment(u8),
    /// Text, whose own bytes are compared as well.
    Text,
    /// ENUM and SET: text, and the number that is stored.
    Labels,
    Hex,
    Number,
    /// `SELECT` rounds a FLOAT to six digits; as a DOUBLE it does not.
    Float,
    Json,
}

/// A column of a random table.
#[derive(Clone)]
pub struct Column {
    pub name: String,
    /// Type and attributes.
    pub sql: String,
    pub family: &'static str,
    pub print: Print,
    pub is_generated: bool,
    values: Values,
}

#[derive(Clone)]
enum Values {
    Of(fn(&mut Dice) -> String),
    /// Text that the charset may hold or not.
    Script(usize),
}

/// One line of the table of types: what MariaDB does not have says so.
struct Kind {
    family: &'static str,
    sql: &'static str,
    print: Print,
    on_mariadb: bool,
    value: fn(&mut Dice) -> String,
}

const fn kind(
    family: &'static str,
    sql: &'static str,
    print: Print,
    value: fn(&mut Dice) -> String,
) -> Kind {
    Kind {
        family,
        sql,
        print,
        on_mariadb: true,
        value,
    }
}

const fn only_mysql(
    family: &'static str,
    sql: &'static str,
    print: Print,
    value: fn(&mut Dice) -> String,
) -> Kind {
    Kind {
        on_mariadb: false,
        ..kind(family, sql, print, value)
    }
}

use Print::{Float, Hex, Json, Labels, Moment, Number, Plain};

const KINDS: &[Kind] = &[
    kind("integer", "TINYINT", Plain, integer),
    kind("integer", "TINYINT UNSIGNED", Plain, integer),
    kind("integer", "SMALLINT", Plain, integer),
    kind("integer", "SMALLINT UNSIGNED", Plain, integer),
    kind("mediumint", "MEDIUMINT", Plain, integer),
    kind("integer", "MEDIUMINT UNSIGNED", Plain, integer),
    kind("integer", "INT", Plain, integer),
    kind("integer", "INT UNSIGNED", Plain, integer),
    kind("integer", "BIGINT", Plain, integer),
    kind("integer", "BIGINT UNSIGNED", Plain, integer),
    kind("integer", "BOOLEAN", Plain, integer),
    kind("decimal", "DECIMAL(65,30)", Plain, decimal),
    kind("decimal", "DECIMAL(65,0)", Plain, decimal),
    kind("decimal", "DECIMAL(30,30)", Plain, decimal),
    kind("decimal", "DECIMAL(1,0)", Plain, decimal),
    kind("decimal", "DECIMAL(10,2)", Plain, decimal),
    kind("decimal", "DECIMAL(19,10) UNSIGNED", Plain, decimal),
    kind("float", "FLOAT", Float, floating),
    kind("double", "DOUBLE", Plain, floating),
    kind("date", "DATE", Moment(0), date),
    kind("datetime", "DATETIME", Moment(0), datetime),
    kind("datetime", "DATETIME(1)", Moment(1), datetime),
    kind("datetime", "DATETIME(2)", Moment(2), datetime),
    kind("datetime", "DATETIME(3)", Moment(3), datetime),
    kind("datetime", "DATETIME(4)", Moment(4), datetime),
    kind("datetime", "DATETIME(5)", Moment(5), datetime),
    kind("datetime", "DATETIME(6)", Moment(6), datetime),
    kind("timestamp", "TIMESTAMP NULL", Moment(0), timestamp),
    kind("timestamp", "TIMESTAMP(1) NULL", Moment(1), timestamp),
    kind("timestamp", "TIMESTAMP(3) NULL", Moment(3), timestamp),
    kind("timestamp", "TIMESTAMP(4) NULL", Moment(4), timestamp),
    kind("timestamp", "TIMESTAMP(6) NULL", Moment(6), timestamp),
    kind("time", "TIME", Moment(0), time),
    kind("time", "TIME(1)", Moment(1), time),
    kind("time", "TIME(2)", Moment(2), time),
    kind("time", "TIME(3)", Moment(3), time),
    kind("time", "TIME(4)", Moment(4), time),
    kind("time", "TIME(5)", Moment(5), time),
    kind("time", "TIME(6)", Moment(6), time),
    kind("year", "YEAR", Plain, year),
    kind("binary", "BINARY(5)", Hex, bytes),
    kind("binary", "BINARY(16)", Hex, uuid),
    kind("binary", "BINARY(255)", Hex, bytes),
    kind("bytes", "VARBINARY(20)", Hex, bytes),
    kind("bytes", "VARBINARY(300)", Hex, bytes),
    kind("bytes", "TINYBLOB", Hex, bytes),
    kind("bytes", "BLOB", Hex, bytes),
    kind("bytes", "MEDIUMBLOB", Hex, bytes),
    kind("bytes", "LONGBLOB", Hex, bytes),
    kind("bit", "BIT(1)", Number, bits),
    kind("bit", "BIT(7)", Number, bits),
    kind("bit", "BIT(8)", Number, bits),
    kind("bit", "BIT(9)", Number, bits),
    kind("bit", "BIT(33)", Number, bits),
    kind("bit", "BIT(64)", Number, bits),
    kind("enum", "ENUM('new','it''s','Zoë','a,b','')", Labels, label),
    kind(
        "enum",
        "ENUM('new','Zoë','Ω') CHARACTER SET greek",
        Labels,
        label,
    ),
    kind(
        "enum",
        "ENUM('new','Zoë') CHARACTER SET ucs2",
        Labels,
        label,
    ),
    kind(
        "set",
        "SET('new','it''s','Zoë','tail') CHARACTER SET latin1",
        Labels,
        label,
    ),
    kind(
        "set",
        "SET('new','テスト','tail') CHARACTER SET sjis",
        Labels,
        label,
    ),
    only_mysql("json", "JSON", Json, json),
    only_mysql("bytes", "VECTOR(3)", Hex, vector),
    kind("bytes", "POINT", Hex, point),
    kind("bytes", "GEOMETRY", Hex, geometry),
];

const TEXTS: [&str; 7] = [
    "CHAR(20)",
    "CHAR(255)",
    "VARCHAR(40)",
    "VARCHAR(300)",
    "TINYTEXT",
    "TEXT",
    "LONGTEXT",
];

/// Charsets with a script of theirs, by the range of its characters.
pub const CHARSETS: &[(&str, &[(u32, u32)])] = &[
    ("armscii8", &[(0x531, 0x587)]),
    ("ascii", &[(0x20, 0x7E)]),
    ("big5", &[(0x4E00, 0x9FA5), (0x3000, 0x3020)]),
    ("cp1250", &[(0xA0, 0x17F)]),
    ("cp1251", &[(0x401, 0x491)]),
    ("cp1256", &[(0x60C, 0x6D2)]),
    ("cp1257", &[(0xA0, 0x17F)]),
    ("cp850", &[(0xA0, 0xFF), (0x2500, 0x25A0)]),
    ("cp852", &[(0xA0, 0x17F)]),
    ("cp866", &[(0x401, 0x451)]),
    ("cp932", &[(0x3041, 0x30FE), (0x4E00, 0x9FA5)]),
    ("dec8", &[(0xA0, 0xFF)]),
    ("eucjpms", &[(0x3041, 0x30FE), (0x4E00, 0x9FA5)]),
    ("euckr", &[(0xAC00, 0xD7A3)]),
    (
        "gb18030",
        &[(0x4E00, 0x9FA5), (0x80, 0x3000), (0x1F600, 0x1F64F)],
    ),
    ("gb2312", &[(0x4E00, 0x9FA5)]),
    ("gbk", &[(0x4E00, 0x9FA5)]),
    ("geostd8", &[(0x10D0, 0x10F5)]),
    ("greek", &[(0x384, 0x3CE)]),
    ("hebrew", &[(0x5D0, 0x5EA)]),
    ("hp8", &[(0xA0, 0xFF)]),
    ("keybcs2", &[(0xA0, 0x17F)]),
    ("koi8r", &[(0x410, 0x44F), (0x2500, 0x2590)]),
    ("koi8u", &[(0x410, 0x491), (0x2500, 0x2590)]),
    ("latin1", &[(0xA0, 0xFF), (0x2018, 0x2026)]),
    ("latin2", &[(0xA0, 0x17F)]),
    ("latin5", &[(0xA0, 0xFF), (0x11E, 0x15F)]),
    ("latin7", &[(0xA0, 0x17F)]),
    ("macce", &[(0xA0, 0x17F)]),
    ("macroman", &[(0xA0, 0xFF)]),
    ("sjis", &[(0x3041, 0x30FE), (0x4E00, 0x9FA5), (0x20, 0x7E)]),
    ("swe7", &[(0x20, 0x7E), (0xC0, 0xFF)]),
    ("tis620", &[(0xE01, 0xE5B)]),
    ("ucs2", &[(0x20, 0xD7FF)]),
    ("ujis", &[(0x3041, 0x30FE), (0x4E00, 0x9FA5)]),
    ("utf16", &[(0x20, 0xD7FF), (0x1F600, 0x1F64F)]),
    ("utf16le", &[(0x20, 0xD7FF), (0x1F600, 0x1F64F)]),
    ("utf32", &[(0x20, 0xD7FF), (0x1F600, 0x1F64F)]),
    ("utf8mb3", &[(0x20, 0xD7FF)]),
    ("utf8mb4", &[(0x20, 0xD7FF), (0x1F600, 0x1F64F)]),
];

/// Charsets that MariaDB 10.11 does not have.
const ONLY_MYSQL: &[&str] = &["gb18030"];

/// A random column of that name.
pub fn draw(dice: &mut Dice, name: String, on_mariadb: bool) -> Column {
    // About every third holds text: the charsets are many.
    let (mut sql, family, print, values) = if dice.below(3) == 0 {
        let script = loop {
            let script = dice.below(CHARSETS.len());
            if !on_mariadb || !ONLY_MYSQL.contains(&CHARSETS[script].0) {
                break script;
            }
        };
        let text = TEXTS[dice.below(TEXTS.len())];
        let sql = format!("{text} CHARACTER SET {}", CHARSETS[script].0);
        (sql, "text", Print::Text, Values::Script(script))
    } else {
        let kind = loop {
            let kind = &KINDS[dice.below(KINDS.len())];
            if kind.on_mariadb || !on_mariadb {
                break kind;
            }
        };
        let values = Values::Of(kind.value);
        (kind.sql.to_owned(), kind.family, kind.print, values)
    };
    // What has no default of its type cannot be bent to one either.
    let has_default = !["POINT", "GEOMETRY", "VECTOR(3)", "JSON"].contains(&sql.as_str());
    if dice.below(6) == 0 && has_default && !sql.contains("NULL") {
        sql.push_str(" NOT NULL");
    }
    if dice.below(6) == 0 {
        sql.push_str(" INVISIBLE");
    }
    Column {
        name,
        sql,
        family,
        print,
        is_generated: false,
        values,
    }
}

/// A column that is worked out of another one.
pub fn generated(dice: &mut Dice, name: String, from: &str) -> Column {
    let stored = ["VIRTUAL", "STORED"][dice.below(2)];
    Column {
        name,
        sql: format!("INT AS (LENGTH(HEX(`{from}`)) - 5) {stored}"),
        family: "integer",
        print: Plain,
        is_generated: true,
        values: Values::Of(integer),
    }
}

impl Column {
    /// A column of text whose values are not asked for.
    pub fn of_text(name: &str, sql: &str) -> Self {
        Self {
            name: name.to_owned(),
            sql: sql.to_owned(),
            family: "text",
            print: Print::Text,
            is_generated: false,
            values: Values::Script(0),
        }
    }

    /// A literal of one of its values.
    pub fn value(&self, dice: &mut Dice) -> String {
        if !self.sql.contains("NOT NULL") && dice.below(8) == 0 {
            return "NULL".to_owned();
        }
        match self.values {
            Values::Of(value) => value(dice),
            Values::Script(script) => text(dice, CHARSETS[script].1),
        }
    }

    /// What to ask for: the value as text, and what is stored.
    pub fn select(&self) -> [String; 2] {
        let name = format!("`{}`", self.name);
        let raw = match self.print {
            Print::Text | Hex => format!("LOWER(HEX({name}))"),
            Number | Labels => format!("{name} + 0"),
            Float => format!("{name} * 1e0"),
            Plain | Moment(_) | Json => name.clone(),
        };
        match self.print {
            Print::Text | Labels => [name, raw],
            _ => [raw.clone(), raw],
        }
    }
}

fn of(dice: &mut Dice, known: &[&str], random: impl FnOnce(&mut Dice) -> String) -> String {
    if dice.below(2) == 0 {
        known[dice.below(known.len())].to_owned()
    } else {
        random(dice)
    }
}

fn integer(dice: &mut Dice) -> String {
    let known = [
        "0",
        "1",
        "-1",
        "127",
        "-128",
        "255",
        "32767",
        "-32768",
        "65535",
        "8388607",
        "-8388608",
        "16777215",
        "2147483647",
        "-2147483648",
        "4294967295",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
    ];
    of(dice, &known, |dice| {
        let bits = dice.below(64);
        (dice.next() as i64 >> bits).to_string()
    })
}

fn decimal(dice: &mut Dice) -> String {
    let known = [
        "0",
        "-0.00",
        "0.1",
        "-0.5",
        "9.99",
        "99999999999999999999999999999999999.999999999999999999999999999999",
        "-99999999999999999999999999999999999.999999999999999999999999999999",
        "99999999999999999999999999999999999999999999999999999999999999999",
        "0.000000000000000000000000000001",
        "1000000000",
        "-1000000000.000000001",
    ];
    of(dice, &known, |dice| {
        let sign = ["", "-"][dice.below(2)];
        let whole = dice.next() >> dice.below(64);
        let places = dice.below(18);
        let fraction = format!("{:018}", dice.next() % 1_000_000_000_000_000_000);
        format!("{sign}{whole}.{}0", &fraction[..places])
    })
}

fn floating(dice: &mut Dice) -> String {
    let known = [
        "0e0",
        "-0e0",
        "0.1e0",
        "1e15",
        "1e16",
        "1e-15",
        "1e-16",
        "16777217",
        "3.4028234663852886e38",
        "1.17549435e-38",
        "1.7976931348623157e308",
        "2.2250738585072014e-308",
        "123456789.125",
        "-1.5",
    ];
    of(dice, &known, |dice| {
        let mantissa = dice.next() as i64 >> dice.below(60);
        format!("{mantissa}e{}", dice.below(40) as i64 - 20)
    })
}

fn day(dice: &mut Dice) -> String {
    let year = 1000 + dice.below(9000);
    let month = dice.below(13);
    format!("{year:04}-{month:02}-{:02}", dice.below(29))
}

fn clock(dice: &mut Dice) -> String {
    let micros = [0, 1, 999_999, 500_000, 100, dice.below(1_000_000)][dice.below(6)];
    let (hour, minute) = (dice.below(24), dice.below(60));
    format!("{hour:02}:{minute:02}:{:02}.{micros:06}", dice.below(60))
}

fn date(dice: &mut Dice) -> String {
    let known = [
        "'0000-00-00'",
        "'1000-01-01'",
        "'9999-12-31'",
        "'2020-00-00'",
        "'2020-05-00'",
        "'2024-02-29'",
        "'0001-01-01'",
    ];
    of(dice, &known, |dice| format!("'{}'", day(dice)))
}

fn datetime(dice: &mut Dice) -> String {
    let known = [
        "'0000-00-00 00:00:00'",
        "'9999-12-31 23:59:59.499999'",
        "'2020-00-00 12:00:00.5'",
        "'1000-01-01 00:00:00'",
        "'2024-02-29 23:59:59.000001'",
    ];
    of(dice, &known, |dice| {
        format!("'{} {}'", day(dice), clock(dice))
    })
}

fn timestamp(dice: &mut Dice) -> String {
    let known = [
        "'0000-00-00 00:00:00'",
        "'1970-01-01 00:00:01'",
        "'2038-01-19 03:14:07.499999'",
        "'2000-01-01 00:00:00.000001'",
    ];
    of(dice, &known, |dice| {
        let year = 1971 + dice.below(60);
        let (month, day) = (1 + dice.below(12), 1 + dice.below(28));
        format!("'{year}-{month:02}-{day:02} {}'", clock(dice))
    })
}

fn time(dice: &mut Dice) -> String {
    let known = [
        "'838:59:59'",
        "'-838:59:59'",
        "'00:00:00'",
        "'-00:00:00.000001'",
        "'-00:00:00.5'",
        "'-01:00:00.1'",
        "'-12:34:56.789'",
        "'23:59:59.999999'",
    ];
    of(dice, &known, |dice| {
        let sign = ["", "-"][dice.below(2)];
        format!("'{sign}{}'", clock(dice))
    })
}

fn year(dice: &mut Dice) -> String {
    let known = ["0", "'0000'", "1901", "2155", "1999", "70", "'0'"];
    of(dice, &known, |dice| (1901 + dice.below(255)).to_string())
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

fn bytes(dice: &mut Dice) -> String {
    let known = [
        "''", "x'00'", "x'0000'", "x'ff00'", "x'00ff'", "x'20'", "x'6100'",
    ];
    of(dice, &known, |dice| {
        let length = [1, 4, 5, 16, 20, 90][dice.below(6)];
        let bytes: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
        hex(&bytes)
    })
}

fn uuid(dice: &mut Dice) -> String {
    let mut bytes: Vec<u8> = (0..16).map(|_| dice.next() as u8).collect();
    // The server cuts zero bytes off at the end.
    for _ in 0..dice.below(3) {
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0);
        bytes[last] = 0;
    }
    hex(&bytes)
}

fn bits(dice: &mut Dice) -> String {
    let known = ["0", "1", "b'101'", "255", "256", "18446744073709551615"];
    of(dice, &known, |dice| {
        (dice.next() >> dice.below(64)).to_string()
    })
}

fn label(dice: &mut Dice) -> String {
    let known = [
        "'new'",
        "'it''s'",
        "'Zoë'",
        "'a,b'",
        "''",
        "'unknown'",
        "1",
        "2",
        "'tail'",
        "'new,tail'",
        "'テスト'",
        "'Ω'",
    ];
    known[dice.below(known.len())].to_owned()
}

fn json(dice: &mut Dice) -> String {
    let known = [
        "'null'",
        "'true'",
        "'\"text\"'",
        "'\"\"'",
        "'{}'",
        "'[]'",
        "'[1, -1, 32767, 32768, -32769, 65535, 65536, 2147483648, -2147483649, 4294967296]'",
        "'[9223372036854775807, -9223372036854775808, 18446744073709551615]'",
        "'[1.0, -0.0, 0.1, 1e15, 1e16, 1e-15, 1e-16, 1.5e300]'",
        "'{\"b\": 1, \"a\": {\"c\": [true, false, null]}, \"\": \"empty\"}'",
        "'\"\\\\\"\\\\\\\\ \\\\n\\\\t\\\\b\\\\f\\\\r \\\\u0001 Zoë 🚀 /\"'",
        "CAST(1.50 AS JSON)",
        "CAST(-99999999999999999999999999999999999.5 AS JSON)",
        "CAST(18446744073709551615 AS JSON)",
        "CAST(DATE'2024-02-29' AS JSON)",
        "CAST(TIME'-838:59:59' AS JSON)",
        "CAST(TIME'-01:02:03.000004' AS JSON)",
        "CAST(TIMESTAMP'2024-02-29 23:59:59.000001' AS JSON)",
        "CAST(b'101' AS JSON)",
        "CAST(x'00ff' AS JSON)",
        "JSON_ARRAY(CAST('x' AS BINARY(3)), CURRENT_DATE, 1e0, 1.10, TRUE, NULL)",
        "JSON_OBJECT('when', TIMESTAMP'2001-01-01 00:00:00', 'cost', 0.10)",
        "JSON_ARRAY(REPEAT('x', 127), REPEAT('y', 128), REPEAT('z', 20000))",
        "JSON_ARRAY(REPEAT('x', 40000), REPEAT('y', 40000), 1, 70000, JSON_ARRAY(1, 2))",
        "JSON_OBJECT('a', REPEAT('x', 70000), 'b', 1, 'c', JSON_OBJECT('d', 1.5))",
        "CONVERT(CONCAT(REPEAT('[', 100), REPEAT(']', 100)), JSON)",
        "CAST(ST_GeomFromText('POINT(1 2)') AS JSON)",
    ];
    of(dice, &known, |dice| {
        format!("JSON_EXTRACT(JSON_ARRAY({}), '$[0]')", document(dice, 0))
    })
}

/// A document of functions, so that every SQL type may stand in it.
fn document(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth > 3 { 8 } else { 10 }) {
        0 => integer(dice),
        1 => decimal(dice),
        2 => floating(dice),
        3 => format!("CAST({} AS JSON)", dice.next() as i32),
        4 => format!("TIMESTAMP'2024-02-28 {}'", clock(dice)),
        5 => format!("TIME'{}'", clock(dice)),
        6 => text(dice, &[(0x20, 0x2FF), (0x1F600, 0x1F64F)]),
        7 => ["NULL", "TRUE", "FALSE"][dice.below(3)].to_owned(),
        8 => {
            let items: Vec<String> = (0..dice.below(5))
                .map(|_| document(dice, depth + 1))
                .collect();
            format!("JSON_ARRAY({})", items.join(", "))
        }
        _ => {
            let items: Vec<String> = (0..dice.below(5))
                .map(|n| format!("'k{n}', {}", document(dice, depth + 1)))
                .collect();
            format!("JSON_OBJECT({})", items.join(", "))
        }
    }
}

fn vector(dice: &mut Dice) -> String {
    let number = |dice: &mut Dice| dice.below(1000) as f64 / 8.0 - 50.0;
    let (a, b) = (number(dice), number(dice));
    format!("STRING_TO_VECTOR('[{a}, {b}, 0]')")
}

fn point(dice: &mut Dice) -> String {
    format!(
        "ST_GeomFromText('POINT({} {})')",
        dice.below(90),
        dice.below(90)
    )
}

fn geometry(dice: &mut Dice) -> String {
    let known = [
        "ST_GeomFromText('LINESTRING(0 0, 1 1.5)')",
        "ST_GeomFromText('POLYGON((0 0, 1 0, 1 1, 0 0))')",
        "ST_GeomFromText('MULTIPOINT(0 0, 1 1)')",
        "ST_GeomFromText('POINT(1 2)', 4326)",
    ];
    of(dice, &known, point)
}

fn text(dice: &mut Dice, script: &[(u32, u32)]) -> String {
    let mut text = String::new();
    for _ in 0..[0, 1, 2, 5, 19][dice.below(5)] {
        let (first, last) = script[dice.below(script.len())];
        let code = match dice.below(5) {
            0 => 0x20 + dice.below(0x5F) as u32,
            1 => 0x80 + dice.below(0x500) as u32,
            _ => first + dice.below((last - first + 1) as usize) as u32,
        };
        text.extend(char::from_u32(code));
    }
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}
