//! What an org is made of, as Rust values or TOML.
//!
//! Owns: the defaults (the demo org) and the checks that no org may violate. All mistakes are reported at once.
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::edition::{Allocation, Edition};
use crate::faults::Fault;
pub use crate::logins::{AppConfig, UserConfig};
use crate::rules::{
    AssignmentRule, Country, DuplicateKey, DuplicateRule, Owner, RecordType, Rules, Trigger,
    ValidationRule,
};
use crate::schema::{FieldType, Schema};
use crate::serving::ServingConfig;

/// Configuration of one org. `Default` is the demo org.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrgConfig {
    /// Apps that may log in.
    pub apps: Vec<AppConfig>,
    /// Users besides those that apps run as, and what is special about the latter.
    pub users: Vec<UserConfig>,
    /// Fields of Lead beyond the standard ones.
    pub fields: Vec<CustomField>,
    /// Names of fields that the integration user may not see; they then do not exist for it.
    pub hidden_fields: Vec<String>,
    /// What was bought. In a file it sets what the file does not name of `organization_type`, `is_sandbox`,
    /// `daily_api_requests`, `daily_api_mode` and `concurrent_long_requests`; in Rust start from
    /// [`OrgConfig::for_edition`].
    pub edition: Option<Edition>,
    /// Salesforce licences, on which the daily calls of some editions depend.
    pub user_licences: Option<u64>,
    /// Name of the organization, at most 80 characters.
    pub organization_name: String,
    /// Edition of the organization, as its record names it.
    pub organization_type: String,
    /// Whether the organization says of itself that it is a sandbox.
    pub is_sandbox: bool,
    /// Name of the instance it claims to live on, at most 5 characters.
    pub instance_name: String,
    /// Names of queues, which may own leads.
    pub queues: Vec<String>,
    /// API calls per rolling 24 hours.
    pub daily_api_requests: u64,
    /// What happens when they are used up.
    pub daily_api_mode: QuotaMode,
    /// Calls in progress for 20 seconds or more at which every new call is refused.
    pub concurrent_long_requests: u64,
    /// Calls beyond a soft allocation after which calls are refused all the same; never when absent.
    pub daily_api_overshoot: Option<u64>,
    /// Calls per rolling 24 hours of each app; told to clients, not enforced. Not told when absent.
    pub per_app_limit: Option<u64>,
    /// Room for leads, 2 KB each: when it is used up inserts are refused. When absent it is never used up.
    pub data_storage_mb: Option<u64>,
    /// Faults that are armed from the start.
    #[serde(deserialize_with = "crate::faults::read_list")]
    pub faults: Vec<Fault>,
    /// Batches of bulk jobs per rolling 24 hours, each of up to 10,000 rows.
    pub daily_bulk_batches: u64,
    /// Rows of bulk jobs per rolling 24 hours.
    pub daily_bulk_records: u64,
    /// Largest upload of a bulk job, counted as base64, which is four bytes for three.
    pub max_bulk_content_bytes: usize,
    /// Uploads and results of bulk jobs kept at once; beyond it the jobs that ended first are forgotten early.
    pub bulk_storage_bytes: usize,
    /// Whether the integration user may delete without the recycle bin.
    pub allow_hard_delete: bool,
    /// Owner that the active lead assignment rule gives to every written lead; no rule when absent.
    pub assignment_rule_owner: Option<String>,
    /// `instance_url` of token replies; when absent it is built from the request's Host header.
    pub instance_url: Option<String>,
    /// Further accepted JWT audiences, besides the login hosts and the org's own URL.
    pub audiences: Vec<String>,
    /// How far in the past the `exp` of a JWT may lie.
    pub jwt_expiry_leeway_seconds: u64,
    /// Whether a repeated login of the same app gets the still valid session.
    pub reuse_sessions: bool,
    /// Idle time after which a session dies; never when absent.
    pub session_idle_seconds: Option<u64>,
    /// Time since its login after which a session dies, used or not; never when absent.
    pub session_lifetime_seconds: Option<u64>,
    /// Logins of one user in any 60 minutes; 0 is no limit (facts 1.6).
    pub logins_per_hour: u32,
    /// Whether the username-password grant is open; newer orgs block it (facts 1.5).
    pub password_grant: bool,
    /// Whether clients come from a trusted IP range: passwords then need no security token.
    pub trusted_network: bool,
    /// A locked or expired org, in which nobody logs in.
    pub inactive_org: bool,
    /// Largest request body, packed or unpacked.
    pub max_request_bytes: usize,
    /// Whether replies are compressed for clients that accept it.
    pub compress_replies: bool,
    /// Requests kept in the log; older ones are dropped, counters are not affected.
    pub request_log_entries: usize,
    /// Keys kept in the log over all its requests; older requests are dropped first.
    pub request_log_keys: usize,
    /// What clients may hold on to: connections, time, memory.
    pub serving: ServingConfig,
    /// Names of fields that the integration user may see but not write.
    pub read_only_fields: Vec<String>,
    /// Whether the integration user may set audit fields such as `CreatedDate` on insert.
    pub allow_audit_fields: bool,
    /// Who may own leads besides the users that log in, and which users are inactive.
    pub owners: Vec<Owner>,
    pub record_types: Vec<RecordType>,
    /// Whether states and countries have to be on a list.
    pub state_country_picklists: bool,
    /// The list; a built-in one when empty.
    pub countries: Vec<Country>,
    /// Whether a lead that is not converted may not be given a status of converted ones.
    pub refuse_converted_status: bool,
    pub validation_rules: Vec<ValidationRule>,
    pub duplicate_rules: Vec<DuplicateRule>,
    pub duplicate_result_key: DuplicateKey,
    /// With rules `assignment_rule_owner` is the default owner, who gets what no entry applies to.
    pub assignment_rules: Vec<AssignmentRule>,
    pub triggers: Vec<Trigger>,
    /// How long a write waits for a row that another request has locked; 0: it is refused at once.
    pub lock_wait_ms: u64,
    /// How long deleted leads can be brought back.
    pub recycle_bin_days: u32,
    /// Deleted leads that are kept; older ones are gone for good.
    pub recycle_bin_leads: usize,
}

impl Default for OrgConfig {
    fn default() -> Self {
        OrgConfig {
            apps: vec![AppConfig::default()],
            users: Vec::new(),
            fields: demo_fields(),
            hidden_fields: Vec::new(),
            edition: None,
            user_licences: None,
            concurrent_long_requests: 25,
            daily_api_overshoot: None,
            per_app_limit: None,
            data_storage_mb: None,
            faults: Vec::new(),
            organization_name: "Sandbox".into(),
            organization_type: "Enterprise Edition".into(),
            is_sandbox: false,
            instance_name: "SBX0".into(),
            queues: Vec::new(),
            // A Developer Edition has 15,000; a rehearsal of a busy day must not stop at that by surprise.
            daily_api_requests: 115_000,
            daily_api_mode: QuotaMode::Hard,
            daily_bulk_batches: 15_000,
            daily_bulk_records: 150_000_000,
            max_bulk_content_bytes: 150 * 1024 * 1024,
            bulk_storage_bytes: 1024 * 1024 * 1024,
            allow_hard_delete: false,
            assignment_rule_owner: None,
            instance_url: None,
            audiences: Vec::new(),
            jwt_expiry_leeway_seconds: 300,
            reuse_sessions: true,
            session_idle_seconds: None,
            session_lifetime_seconds: None,
            logins_per_hour: 3_600,
            password_grant: true,
            trusted_network: false,
            inactive_org: false,
            max_request_bytes: 50 * 1024 * 1024,
            compress_replies: true,
            request_log_entries: 10_000,
            request_log_keys: 200_000,
            serving: ServingConfig::default(),
            read_only_fields: Vec::new(),
            allow_audit_fields: false,
            owners: Vec::new(),
            record_types: Vec::new(),
            state_country_picklists: false,
            countries: Vec::new(),
            refuse_converted_status: false,
            validation_rules: Vec::new(),
            duplicate_rules: Vec::new(),
            duplicate_result_key: DuplicateKey::default(),
            assignment_rules: Vec::new(),
            triggers: Vec::new(),
            // As long as Salesforce waits.
            lock_wait_ms: 10_000,
            recycle_bin_days: 15,
            // 25 for each megabyte of the storage.
            recycle_bin_leads: 256_000,
        }
    }
}

/// Hard: refused exactly at the limit. Soft: counted, refused at an undisclosed cap or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaMode {
    /// Developer Edition, trials and sandboxes.
    Hard,
    /// Paid, active orgs, which may overshoot.
    Soft,
}

/// A field of Lead that an administrator added (`…__c`), or an optional standard one such as `MiddleName`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CustomField {
    pub name: String,
    /// Derived from the name when absent.
    pub label: Option<String>,
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// Characters, for text.
    pub length: u32,
    /// Digits in all, for `double`, `currency` and `percent`; digits for `int`.
    pub precision: u32,
    /// Digits after the point.
    pub scale: u32,
    pub external_id: bool,
    pub unique: bool,
    pub case_sensitive: bool,
    pub required: bool,
    pub picklist_values: Vec<String>,
    /// Values that an administrator has retired: leads keep them, but a restricted picklist takes them no more.
    pub inactive_picklist_values: Vec<String>,
    pub restricted_picklist: bool,
}

impl Default for CustomField {
    fn default() -> Self {
        CustomField {
            name: String::new(),
            label: None,
            kind: FieldType::Text,
            length: 255,
            precision: 18,
            scale: 0,
            external_id: false,
            unique: false,
            case_sensitive: false,
            required: false,
            picklist_values: Vec::new(),
            inactive_picklist_values: Vec::new(),
            restricted_picklist: false,
        }
    }
}

impl OrgConfig {
    /// Reads and checks a TOML file.
    pub fn load(path: &Path) -> Result<OrgConfig, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadConfig {
            path: path.into(),
            source,
        })?;
        OrgConfig::parse(&text).map_err(|source| Error::ParseConfig {
            path: path.into(),
            source: Box::new(source),
        })
    }

    /// The demo org with the limits of an edition (facts 6.1).
    #[must_use]
    pub fn for_edition(edition: Edition, user_licences: Option<u64>) -> OrgConfig {
        let mut config = OrgConfig {
            edition: Some(edition),
            user_licences,
            ..OrgConfig::default()
        };
        config.take(edition.allocation(user_licences), |_| false);
        config
    }

    /// Reads TOML; what contradicts itself is for [`OrgConfig::mistakes`].
    pub(crate) fn parse(text: &str) -> Result<OrgConfig, toml::de::Error> {
        let mut config: OrgConfig = toml::from_str(text)?;
        if let Some(edition) = config.edition {
            // What is said wins over what the edition brings along.
            let said: toml::Table = toml::from_str(text)?;
            let allocation = edition.allocation(config.user_licences);
            config.take(allocation, |key| said.contains_key(key));
        }
        Ok(config)
    }

    fn take(&mut self, allocation: Allocation, is_said: impl Fn(&str) -> bool) {
        if !is_said("organization_type") {
            self.organization_type = allocation.organization_type.into();
        }
        if !is_said("is_sandbox") {
            self.is_sandbox = allocation.is_sandbox;
        }
        if !is_said("daily_api_requests") {
            self.daily_api_requests = allocation.daily_api_requests;
        }
        if !is_said("daily_api_mode") {
            self.daily_api_mode = allocation.daily_api_mode;
        }
        if !is_said("concurrent_long_requests") {
            self.concurrent_long_requests = allocation.concurrent_long_requests;
        }
    }

    /// Every mistake in the configuration, as sentences that name the key.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut found = crate::logins::mistakes(&self.apps, &self.users);
        let standard = crate::schema::standard_fields();
        for (i, field) in self.fields.iter().enumerate() {
            let taken = standard
                .iter()
                .any(|f| f.name.eq_ignore_ascii_case(&field.name))
                || self.fields[..i]
                    .iter()
                    .any(|earlier| earlier.name.eq_ignore_ascii_case(&field.name));
            if field.name.is_empty() || taken {
                found.push(format!(
                    "fields[{i}].name `{}` is empty or taken",
                    field.name
                ));
            }
            if field.restricted_picklist && field.picklist_values.is_empty() {
                found.push(format!(
                    "fields[{i}] ({}) is a restricted picklist without values",
                    field.name
                ));
            }
            let keyable = matches!(
                field.kind,
                FieldType::Text | FieldType::Email | FieldType::Double
            );
            if field.external_id && !keyable {
                found.push(format!(
                    "fields[{i}] ({}) cannot be an external id: text, email or double only",
                    field.name
                ));
            }
        }
        for (key, text, limit) in [
            ("organization_name", &self.organization_name, 80),
            ("organization_type", &self.organization_type, 40),
            ("instance_name", &self.instance_name, 5),
        ] {
            if text.is_empty() || text.chars().count() > limit {
                found.push(format!("{key} must have 1 to {limit} characters"));
            }
        }
        for (i, queue) in self.queues.iter().enumerate() {
            if queue.is_empty() || queue.chars().count() > 40 || self.queues[..i].contains(queue) {
                found.push(format!(
                    "queues[{i}] must have 1 to 40 characters and be unlike the others"
                ));
            }
        }
        found.extend(crate::schema::field_mistakes(self));
        self.check_limits(&mut found);
        for (i, fault) in self.faults.iter().enumerate() {
            let named = |mistake| format!("faults[{i}].{mistake}");
            found.extend(fault.mistakes().into_iter().map(named));
        }
        if let Err(mistakes) = Rules::compile(self, &Schema::new(self)) {
            found.extend(mistakes);
        }
        found
    }

    fn check_limits(&self, found: &mut Vec<String>) {
        if self.daily_api_requests == 0 {
            found.push("daily_api_requests must be at least 1".into());
        }
        if self.concurrent_long_requests == 0 {
            found.push("concurrent_long_requests must be at least 1".into());
        }
        if self.daily_api_overshoot.is_some() && self.daily_api_mode == QuotaMode::Hard {
            found.push("daily_api_overshoot is for daily_api_mode = \"soft\" alone".into());
        }
        if self.user_licences.is_some() && self.edition.is_none() {
            found.push("user_licences needs an edition".into());
        }
        // Rows are found by 32-bit offsets.
        if self.max_bulk_content_bytes > 1 << 31 {
            found.push("max_bulk_content_bytes must be at most 2147483648".into());
        }
        found.extend(self.serving.mistakes());
    }

    /// The countries of the state and country picklists.
    pub(crate) fn effective_countries(&self) -> Vec<Country> {
        if self.countries.is_empty() {
            crate::rules::built_in_countries()
        } else {
            self.countries.clone()
        }
    }

    /// Largest upload of a bulk job in bytes as sent.
    pub(crate) fn max_bulk_upload_bytes(&self) -> usize {
        self.max_bulk_content_bytes / 4 * 3
    }
}

fn demo_fields() -> Vec<CustomField> {
    let field = |name: &str, kind| CustomField {
        name: name.into(),
        kind,
        ..CustomField::default()
    };
    vec![
        CustomField {
            length: 64,
            external_id: true,
            unique: true,
            label: Some("MySQL Id".into()),
            ..field("MySQL_Id__c", FieldType::Text)
        },
        CustomField {
            precision: 8,
            scale: 2,
            ..field("Score__c", FieldType::Double)
        },
        field("Signup_At__c", FieldType::DateTime),
        field("Birthday__c", FieldType::Date),
        field("Newsletter__c", FieldType::Boolean),
        CustomField {
            picklist_values: ["Free", "Team", "Business", "Enterprise"]
                .map(String::from)
                .to_vec(),
            restricted_picklist: true,
            ..field("Plan__c", FieldType::Picklist)
        },
    ]
}
