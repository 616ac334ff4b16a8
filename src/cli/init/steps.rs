//! What people have to do on both sides before leadstream can run: statements for MySQL's
//! administrator, steps for Salesforce's.

use super::document::{Answers, Login};

/// Statements for an administrator of MySQL, one a line.
#[must_use]
pub fn statements(answers: &Answers) -> Vec<String> {
    let user = user(&answers.source_url).replace('\'', "''");
    let require = if answers.tls_mode == "disabled" {
        ""
    } else {
        " REQUIRE SSL"
    };
    let name = |text: &str| format!("`{}`", text.replace('`', "``"));
    let (schema, table) = (name(&answers.table.schema), name(&answers.table.table));
    vec![
        "SET PERSIST binlog_row_metadata = FULL;".to_owned(),
        "SET PERSIST binlog_expire_logs_seconds = 604800;".to_owned(),
        format!("CREATE USER '{user}'@'%' IDENTIFIED BY 'CHOOSE A PASSWORD'{require};"),
        format!("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{user}'@'%';"),
        format!("GRANT SELECT ON {schema}.{table} TO '{user}'@'%';"),
    ]
}

fn user(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.rsplit_once('@')
        .map_or("leadstream", |(user, _)| user)
        .to_owned()
}

/// Steps for an administrator of the org.
#[must_use]
pub fn salesforce(answers: &Answers, external_id: &str) -> Vec<String> {
    let object = &answers.object;
    let app = match &answers.login {
        Login::ClientCredentials { .. } => {
            "External Client App Manager, New: enable OAuth, scope `api`, flow Client \
             Credentials, with the integration user as Run As; its consumer key is client_id, \
             its consumer secret goes into a file of mode 0600. The login URL is the org's own \
             domain (My Domain)."
                .to_owned()
        }
        Login::Jwt { username, .. } => format!(
            "External Client App Manager, New: enable OAuth, scopes `api` and \
             `refresh_token`, flow JWT Bearer with the certificate of the private key; \
             permitted users: admin approved, with the integration user's permission set; \
             its consumer key is client_id. The user is {username}."
        ),
    };
    vec![
        format!(
            "Object Manager, {object}, Fields: make the Text(64) field {external_id}, with \
             External ID and Unique (not case-sensitive) ticked."
        ),
        format!(
            "Permission Sets: make one with API Enabled, Create, Read and Edit on {object}, and Edit \
             on {external_id} and on every field of [route.fields]; give it to an integration user."
        ),
        app,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::schema::TableName;

    fn answers() -> Answers {
        Answers {
            source_url: "mysql://o'brien@db.example.com".into(),
            password_file: None,
            tls_mode: "verify_identity",
            ca_file: None,
            table: TableName {
                schema: "c`rm".into(),
                table: "leads".into(),
            },
            object: "Lead".into(),
            login_url: String::new(),
            login: Login::ClientCredentials {
                client_id: String::new(),
                secret_file: None,
            },
            state: String::new(),
        }
    }

    #[test]
    fn names_are_quoted_as_mysql_wants_them() {
        let all = statements(&answers());
        assert!(
            all[2].starts_with("CREATE USER 'o''brien'@'%'") && all[2].ends_with("REQUIRE SSL;")
        );
        assert_eq!(all[4], "GRANT SELECT ON `c``rm`.`leads` TO 'o''brien'@'%';");
        assert!(salesforce(&answers(), "Key__c")[0].contains("Key__c"));
    }

    #[test]
    fn the_document_tells_the_same_steps() {
        let document = include_str!("../../../docs/salesforce-setup.md").to_lowercase();
        let steps = salesforce(&answers(), "MySQL_Id__c").join("\n");
        for words in [
            "Object Manager",
            "External ID",
            "Unique",
            "Permission Sets",
            "API Enabled",
            "External Client App Manager",
            "Client Credentials",
            "Run As",
            "My Domain",
        ] {
            assert!(steps.contains(words), "{words} in {steps}");
            assert!(document.contains(&words.to_lowercase()), "{words}");
        }
    }
}
