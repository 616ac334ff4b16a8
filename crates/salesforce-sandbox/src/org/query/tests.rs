//! Queries over a real store, against a model that knows nothing of plans, indexes and packed rows.
use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;
use crate::config::{CustomField, OrgConfig};
use crate::org::leads::Stamp;
use crate::org::{Draft, Target, Transaction, WriteOptions};
use crate::value::calendar;

const NOBODY: Stamp = Stamp { user: 0, micros: 0 };

/// A lead as the model sees it; an empty text is no text.
#[derive(Debug, Clone)]
struct Person {
    key: String,
    title: Option<String>,
    email: Option<String>,
    score: Option<f64>,
    employees: Option<i64>,
    newsletter: bool,
    birthday: Option<i32>,
    deleted: bool,
}

fn org_of(people: &[Person]) -> Org {
    let org = Org::new(OrgConfig::default());
    {
        let mut store = org.leads();
        for person in people {
            let optional = |text: &Option<String>| match text {
                Some(text) => Value::Text(text.clone().into()),
                None => Value::Null,
            };
            let mut values: Vec<(u16, Value<'_>)> = [
                ("LastName", Value::Text("Doe".into())),
                ("MySQL_Id__c", Value::Text(person.key.clone().into())),
                ("Title", optional(&person.title)),
                ("Email", optional(&person.email)),
                ("Score__c", person.score.map_or(Value::Null, Value::Number)),
                (
                    "NumberOfEmployees",
                    person.employees.map_or(Value::Null, Value::Int),
                ),
                ("Newsletter__c", Value::Boolean(person.newsletter)),
                (
                    "Birthday__c",
                    person.birthday.map_or(Value::Null, Value::Date),
                ),
            ]
            .into_iter()
            .map(|(name, value)| (org.schema.find(name).unwrap(), value))
            .collect();
            values.sort_by_key(|(number, _)| *number);
            let place = store.insert(&values, NOBODY);
            if person.deleted {
                store.delete(place, NOBODY);
            }
        }
    }
    org
}

/// Values of the first column, or the count.
fn ask(org: &Org, query: &str, visibility: Visibility) -> Vec<String> {
    let plan = prepare_query(org, query).unwrap_or_else(|error| panic!("{}", error.message));
    let mut store = org.leads();
    match run_query(org, &mut store, plan, visibility).unwrap() {
        QueryResult::Count(count) => vec![count.to_string()],
        QueryResult::Groups { rows, .. } => {
            let first = |row: &Vec<Value<'_>>| row[0].key_text().unwrap_or_default().into_owned();
            rows.iter().map(first).collect()
        }
        QueryResult::Rows(selection) => {
            let rows = selection.values(org, &store, 0..usize::MAX);
            let first = |row: &Vec<Value<'_>>| row[0].key_text().unwrap_or_default().into_owned();
            rows.iter().map(first).collect()
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Sign {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Sign {
    fn shown(self) -> &'static str {
        match self {
            Sign::Equal => "=",
            Sign::NotEqual => "!=",
            Sign::Less => "<",
            Sign::LessOrEqual => "<=",
            Sign::Greater => ">",
            Sign::GreaterOrEqual => ">=",
        }
    }

    fn judge<T: PartialOrd>(self, value: Option<T>, wanted: Option<T>) -> bool {
        let order = match (&value, &wanted) {
            (Some(value), Some(wanted)) => value.partial_cmp(wanted),
            _ => None,
        };
        match self {
            Sign::Equal => value == wanted,
            Sign::NotEqual => value != wanted,
            Sign::Less => order == Some(Ordering::Less),
            Sign::LessOrEqual => order.is_some_and(Ordering::is_le),
            Sign::Greater => order == Some(Ordering::Greater),
            Sign::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum TextField {
    Key,
    Title,
    Email,
}

/// A condition that can be written as SOQL and judged without it.
#[derive(Debug, Clone)]
enum Wish {
    Text(TextField, Sign, String),
    TextIn(TextField, bool, Vec<String>),
    Like(TextField, String),
    Score(Sign, Option<f64>),
    EmployeesIn(bool, Vec<Option<i64>>),
    Newsletter(bool, bool),
    Birthday(Sign, i32),
    All(Vec<Wish>),
    Any(Vec<Wish>),
    Not(Box<Wish>),
}

impl TextField {
    fn shown(self) -> &'static str {
        match self {
            TextField::Key => "MySQL_Id__c",
            TextField::Title => "Title",
            TextField::Email => "Email",
        }
    }

    fn of(self, person: &Person) -> Option<String> {
        let value = match self {
            TextField::Key => Some(&person.key),
            TextField::Title => person.title.as_ref(),
            TextField::Email => person.email.as_ref(),
        };
        value.map(|text| text.to_lowercase())
    }
}

fn wanted(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_lowercase())
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn list<T>(values: &[T], shown: impl Fn(&T) -> String) -> String {
    let shown: Vec<String> = values.iter().map(shown).collect();
    format!("({})", shown.join(", "))
}

fn negation(negated: bool) -> &'static str {
    if negated { "NOT IN" } else { "IN" }
}

fn number<T: ToString>(number: Option<T>) -> String {
    number.map_or("null".into(), |number| number.to_string())
}

impl Wish {
    fn soql(&self) -> String {
        let joined = |wishes: &[Wish], word: &str| {
            let parts: Vec<String> = wishes.iter().map(Wish::soql).collect();
            format!("({})", parts.join(word))
        };
        match self {
            Wish::Text(field, sign, text) => {
                format!("{} {} {}", field.shown(), sign.shown(), quote(text))
            }
            Wish::TextIn(field, negated, texts) => {
                let texts = list(texts, |text| quote(text));
                format!("{} {} {texts}", field.shown(), negation(*negated))
            }
            Wish::Like(field, pattern) => format!("{} LIKE {}", field.shown(), quote(pattern)),
            Wish::Score(sign, score) => format!("Score__c {} {}", sign.shown(), number(*score)),
            Wish::EmployeesIn(negated, numbers) => {
                let numbers = list(numbers, |n| number(*n));
                format!("NumberOfEmployees {} {numbers}", negation(*negated))
            }
            Wish::Newsletter(equal, flag) => {
                format!("Newsletter__c {} {flag}", if *equal { "=" } else { "!=" })
            }
            Wish::Birthday(sign, days) => {
                let date = calendar::format_date(*days);
                format!("Birthday__c {} {date}", sign.shown())
            }
            Wish::All(all) => joined(all, " AND "),
            Wish::Any(any) => joined(any, " OR "),
            Wish::Not(inner) => format!("(NOT ({}))", inner.soql()),
        }
    }

    fn holds(&self, person: &Person) -> bool {
        match self {
            Wish::Text(field, sign, text) => sign.judge(field.of(person), wanted(text)),
            Wish::TextIn(field, negated, texts) => {
                let value = field.of(person);
                texts.iter().any(|text| wanted(text) == value) != *negated
            }
            Wish::Like(field, pattern) => field.of(person).is_some_and(|text| {
                let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
                let text: Vec<char> = text.chars().collect();
                like(&pattern, &text)
            }),
            Wish::Score(sign, score) => sign.judge(person.score, *score),
            Wish::EmployeesIn(negated, numbers) => numbers.contains(&person.employees) != *negated,
            Wish::Newsletter(equal, flag) => (person.newsletter == *flag) == *equal,
            Wish::Birthday(sign, days) => sign.judge(person.birthday, Some(*days)),
            Wish::All(all) => all.iter().all(|wish| wish.holds(person)),
            Wish::Any(any) => any.iter().any(|wish| wish.holds(person)),
            Wish::Not(inner) => !inner.holds(person),
        }
    }
}

/// The definition of LIKE; the patterns of the model have no escapes.
fn like(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|from| like(rest, &text[from..])),
        [one, rest @ ..] => text
            .split_first()
            .is_some_and(|(c, tail)| (*one == '_' || one == c) && like(rest, tail)),
    }
}

fn sign() -> impl Strategy<Value = Sign> {
    prop_oneof![
        3 => Just(Sign::Equal),
        2 => Just(Sign::NotEqual),
        1 => Just(Sign::Less),
        1 => Just(Sign::LessOrEqual),
        1 => Just(Sign::Greater),
        1 => Just(Sign::GreaterOrEqual),
    ]
}

fn field() -> impl Strategy<Value = TextField> {
    prop_oneof![
        Just(TextField::Key),
        Just(TextField::Title),
        Just(TextField::Email)
    ]
}

const TEXT: &str = "[aAbBéÉ']{0,2}";

fn score() -> impl Strategy<Value = Option<f64>> {
    proptest::option::of((-4..4_i32).prop_map(|n| f64::from(n) / 2.0))
}

fn person() -> impl Strategy<Value = Person> {
    let text = || TEXT.prop_map(|text| (!text.is_empty()).then_some(text));
    let employees = proptest::option::of(0..4_i64);
    let birthday = proptest::option::of(20_000..20_004_i32);
    let rest = (employees, any::<bool>(), birthday, any::<bool>());
    ("[aAbBéÉ]{1,2}", text(), text(), score(), rest).prop_map(
        |(key, title, email, score, (employees, newsletter, birthday, deleted))| Person {
            key,
            title,
            email,
            score,
            employees,
            newsletter,
            birthday,
            deleted,
        },
    )
}

fn wish() -> impl Strategy<Value = Wish> {
    let texts = proptest::collection::vec(TEXT, 1..4);
    let numbers = proptest::collection::vec(proptest::option::of(0..4_i64), 1..3);
    let leaf = prop_oneof![
        (field(), sign(), TEXT).prop_map(|(field, sign, text)| Wish::Text(field, sign, text)),
        (field(), any::<bool>(), texts)
            .prop_map(|(field, not, texts)| Wish::TextIn(field, not, texts)),
        (field(), "[aB%_é]{0,4}").prop_map(|(field, pattern)| Wish::Like(field, pattern)),
        (sign(), score()).prop_map(|(sign, score)| Wish::Score(sign, score)),
        (any::<bool>(), numbers).prop_map(|(not, numbers)| Wish::EmployeesIn(not, numbers)),
        (any::<bool>(), any::<bool>()).prop_map(|(equal, flag)| Wish::Newsletter(equal, flag)),
        (sign(), 20_000..20_004_i32).prop_map(|(sign, days)| Wish::Birthday(sign, days)),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let several = || proptest::collection::vec(inner.clone(), 1..4);
        prop_oneof![
            several().prop_map(Wish::All),
            several().prop_map(Wish::Any),
            inner.clone().prop_map(|inner| Wish::Not(Box::new(inner))),
        ]
    })
}

proptest! {
    #[test]
    fn queries_find_what_the_model_finds(
        people in proptest::collection::vec(person(), 0..20),
        wish in wish(),
        descending in any::<bool>(),
        nulls_last in any::<bool>(),
        limit in 0..20_usize,
        offset in 0..4_usize,
    ) {
        let org = org_of(&people);
        let condition = wish.soql();
        let numbered = || (0_u32..).zip(&people);
        let ids = |all: &mut dyn Iterator<Item = (u32, &Person)>| -> Vec<String> {
            all.map(|(place, _)| id::lead(place)).collect()
        };
        let live = |(_, person): &(u32, &Person)| !person.deleted && wish.holds(person);

        let query = format!("SELECT Id FROM Lead WHERE {condition}");
        let expected = ids(&mut numbered().filter(live));
        prop_assert_eq!(ask(&org, &query, Visibility::Live), expected.clone(), "{}", query);
        let all = ids(&mut numbered().filter(|(_, person)| wish.holds(person)));
        prop_assert_eq!(ask(&org, &query, Visibility::WithDeleted), all, "{}", query);

        let query = format!("SELECT COUNT() FROM Lead WHERE {condition}");
        prop_assert_eq!(ask(&org, &query, Visibility::Live), [expected.len().to_string()]);

        let mut sorted: Vec<(u32, &Person)> = numbered().filter(live).collect();
        sorted.sort_by(|(_, a), (_, b)| {
            let key = |person: &Person| TextField::Title.of(person);
            let nulls = key(a).is_none().cmp(&key(b).is_none());
            let nulls = if nulls_last { nulls } else { nulls.reverse() };
            let order = key(a).cmp(&key(b));
            nulls.then(if descending { order.reverse() } else { order })
        });
        let query = format!(
            "SELECT Id FROM Lead WHERE {condition} ORDER BY Title {} NULLS {} LIMIT {limit} OFFSET {offset}",
            if descending { "DESC" } else { "ASC" },
            if nulls_last { "LAST" } else { "FIRST" },
        );
        let expected = ids(&mut sorted.into_iter().skip(offset).take(limit));
        prop_assert_eq!(ask(&org, &query, Visibility::Live), expected, "{}", query);
    }
}

#[test]
fn what_was_rolled_back_was_never_there() {
    let org = Org::new(OrgConfig::default());
    let draft = |name: Value<'static>| {
        let fields = [("LastName", name), ("Company", Value::Text("Acme".into()))];
        let values = fields.map(|(name, value)| (org.schema.find(name).unwrap(), value));
        Draft::new(&org.schema, Target::New, values.to_vec())
    };
    let options = WriteOptions {
        all_or_none: true,
        ..WriteOptions::default()
    };
    let drafts = vec![draft(Value::Text("Doe".into())), draft(Value::Null)];
    let outcomes = Transaction::begin(&org, false).write(drafts, options);
    assert!(outcomes.iter().all(|outcome| !outcome.is_written()));
    let query = "SELECT COUNT() FROM Lead";
    assert_eq!(ask(&org, query, Visibility::Live), ["0"]);
    assert_eq!(ask(&org, query, Visibility::WithDeleted), ["0"]);
}

fn many(count: i64) -> Vec<Person> {
    (0..count)
        .map(|n| Person {
            key: format!("k{n}"),
            title: Some("a".repeat(100)),
            email: None,
            score: None,
            employees: Some(n % 50),
            newsletter: false,
            birthday: None,
            deleted: false,
        })
        .collect()
}

fn is_answered(org: &Org, query: &str, steps: u64, bytes: u64) -> bool {
    let plan = prepare_query(org, query).unwrap();
    let budget = Budget::new(steps, bytes);
    match run_within(org, &mut org.leads(), plan, Visibility::Live, budget) {
        Ok(_) => true,
        Err(refusal) => {
            assert_eq!(refusal.code, "QUERY_TIMEOUT", "{query}");
            false
        }
    }
}

/// The smallest number with which it is.
fn least(is_answered: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, 1 << 40);
    while low < high {
        let middle = (low + high) / 2;
        if is_answered(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

fn least_steps(org: &Org, query: &str) -> u64 {
    least(|steps| is_answered(org, query, steps, u64::MAX))
}

fn least_bytes(org: &Org, query: &str) -> u64 {
    least(|bytes| is_answered(org, query, u64::MAX, bytes))
}

#[test]
fn all_that_a_query_does_for_each_row_is_charged() {
    let org = org_of(&many(20));
    let all = least_steps(&org, "SELECT Id FROM Lead");
    assert!((20..40).contains(&all), "{all}");
    let like = least_steps(
        &org,
        &format!(
            "SELECT Id FROM Lead WHERE Title LIKE '%{}b%'",
            "a".repeat(50)
        ),
    );
    assert!((20 * 50 * 50..20 * 50 * 110).contains(&like), "{like}");
    let plain = least_steps(&org, "SELECT Id FROM Lead WHERE Title = 'x'");
    for dearer in [
        "SELECT Id FROM Lead WHERE Title = 'x' OR Title = 'y'",
        "SELECT Id FROM Lead WHERE NumberOfEmployees IN (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26)",
        "SELECT Id FROM Lead ORDER BY Title",
        "SELECT COUNT(Id), MAX(Title) FROM Lead GROUP BY MySQL_Id__c",
    ] {
        assert!(least_steps(&org, dearer) > plain, "{dearer}");
    }
    let grouped = "SELECT COUNT(Id) FROM Lead GROUP BY MySQL_Id__c";
    let having = format!("{grouped} HAVING MySQL_Id__c LIKE '%0%0%0%0%'");
    assert!(least_steps(&org, &having) > least_steps(&org, grouped));
}

#[test]
fn all_that_a_query_holds_is_charged() {
    let org = org_of(&many(3_000));
    assert_eq!(
        least_bytes(&org, "SELECT COUNT() FROM Lead WHERE Title != 'x'"),
        0
    );
    let sorted = "SELECT Id FROM Lead ORDER BY Title";
    let bytes = least_bytes(&org, sorted);
    assert!(bytes > 3_000 * 130, "{bytes}");
    assert_eq!(
        least_bytes(&org, &format!("{sorted}, Title DESC, title")),
        bytes
    );
    assert!(least_bytes(&org, &format!("{sorted}, Company")) > bytes + 3_000 * 20);
    assert!(least_bytes(&org, &format!("{sorted} LIMIT 10 OFFSET 10")) < bytes / 2);
    let grouped = least_bytes(
        &org,
        "SELECT COUNT(Id) FROM Lead GROUP BY MySQL_Id__c LIMIT 9",
    );
    assert!(grouped > 3_000 * 100, "{grouped}");
    let distinct = least_bytes(&org, "SELECT COUNT_DISTINCT(MySQL_Id__c) FROM Lead");
    assert!(distinct > 3_000 * 40, "{distinct}");
}

#[test]
fn the_first_rows_are_the_same_with_and_without_a_limit() {
    let org = org_of(&many(3_000));
    let query = "SELECT MySQL_Id__c FROM Lead ORDER BY NumberOfEmployees DESC";
    let all = ask(&org, query, Visibility::Live);
    let some = ask(
        &org,
        &format!("{query} LIMIT 70 OFFSET 5"),
        Visibility::Live,
    );
    assert_eq!(some, all[5..75]);
    assert_eq!(some[0], "k299");
    let most = ask(&org, &format!("{query} LIMIT 1400"), Visibility::Live);
    assert_eq!(most, all[..1_400]);
}

#[test]
fn the_dearest_patterns_are_given_up_soon() {
    let org = org_of(&many(2_000));
    let pattern = format!("Title LIKE '%{}b%'", "a".repeat(50));
    let query = format!(
        "SELECT COUNT() FROM Lead WHERE {}",
        vec![pattern; 40].join(" OR ")
    );
    let plan = prepare_query(&org, &query).unwrap();
    let result = run_query(&org, &mut org.leads(), plan, Visibility::Live);
    assert_eq!(result.map(|_| ()).unwrap_err().code, "QUERY_TIMEOUT");
}

#[test]
fn exports_have_rows_of_plain_values_only() {
    let org = Org::new(OrgConfig::default());
    for query in [
        "SELECT COUNT() FROM Lead",
        "SELECT COUNT(Id) FROM Lead",
        "SELECT Title FROM Lead GROUP BY Title",
        "SELECT Address FROM Lead",
        "SELECT Id FROM Lead OFFSET 1",
    ] {
        let refusal = prepare_export(&org, query).unwrap_err();
        assert_eq!(refusal.code, "API_ERROR", "{query}");
    }
    let plan = prepare_export(&org, "SELECT id, owner.name FROM Lead").unwrap();
    assert_eq!(plan.column_names(), ["Id", "Owner.Name"]);
}

#[test]
fn a_numeric_key_is_found_however_it_is_written() {
    let field = CustomField {
        name: "Number__c".into(),
        kind: crate::FieldType::Double,
        external_id: true,
        unique: true,
        ..CustomField::default()
    };
    let org = Org::new(OrgConfig {
        fields: vec![field],
        ..OrgConfig::default()
    });
    let number = org.schema.find("Number__c").unwrap();
    for key in [42.0, 43.0, 0.0] {
        org.leads().insert(&[(number, Value::Number(key))], NOBODY);
    }
    for (condition, expected) in [
        ("Number__c = 42", &["42"][..]),
        ("Number__c = 42.0", &["42"]),
        ("Number__c = 4.3e1", &["43"]),
        ("Number__c IN (43, 42, 42.00)", &["42", "43"]),
        ("Number__c = -0.0", &["0"]),
    ] {
        let query = format!("SELECT Number__c FROM Lead WHERE {condition}");
        assert_eq!(ask(&org, &query, Visibility::Live), expected, "{condition}");
    }
}
