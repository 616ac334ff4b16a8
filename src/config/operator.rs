//! The section `[operator]`: where the port listens, and who may use it. A port that other machines
//! reach must be encrypted and must know who asks; anything less is refused here.

use std::net::SocketAddr;

use super::mistake::PORT_IS_OPEN;
use super::reader::{Reader, Table};
use super::{Operator, TlsFiles};

pub(super) fn check_operator<'a>(reader: &mut Reader<'a>, root: &Table<'a>) -> Option<Operator> {
    let table = reader.table(root, "operator");
    let mut listen: Option<SocketAddr> =
        reader.required(&table, "listen", |given| given.text()?.trim().parse().ok());
    let token_file = reader.optional_path(&table, "token_file");
    let tls = check_tls(reader, &table);
    // What was given and is wrong has its own mistake.
    let missing = match (&token_file, &tls) {
        (Some(None), Some(None)) => Some("operator.token_file and operator.tls are"),
        (Some(None), _) => Some("operator.token_file is"),
        (_, Some(None)) => Some("operator.tls is"),
        _ => None,
    };
    if let Some(missing) = missing
        && listen.is_some_and(|address| !address.ip().is_loopback())
    {
        listen = reader.refuse(
            &table,
            "listen",
            PORT_IS_OPEN,
            format!("other machines reach this address, and {missing} missing"),
            "give operator.token_file and operator.tls, or listen on a loopback address such as \
             127.0.0.1:9464",
        );
    }
    let shutdown_grace_ms = reader.number(&table, "shutdown_grace");
    Some(Operator {
        listen: listen?,
        token_file: token_file?,
        tls: tls?,
        shutdown_grace_ms: shutdown_grace_ms?,
    })
}

fn check_tls<'a>(reader: &mut Reader<'a>, operator: &Table<'a>) -> Option<Option<TlsFiles>> {
    let table = reader.table(operator, "tls");
    if table.dict.is_none() {
        return operator.get("tls").is_none().then_some(None);
    }
    let cert_file = reader.path(&table, "cert_file");
    let key_file = reader.path(&table, "key_file");
    Some(Some(TlsFiles {
        cert_file: cert_file?,
        key_file: key_file?,
    }))
}
