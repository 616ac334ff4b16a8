//! What is answered while somebody holds the leads.
use std::sync::Arc;

use axum::body::Body;

use crate::config::OrgConfig;
use crate::http::arrival::Arrival;
use crate::http::serve;
use crate::oauth;
use crate::org::{Identity, Opening, Org};

#[test]
fn what_has_nothing_to_do_with_the_leads_is_answered_while_they_are_held() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let org = Arc::new(Org::new(OrgConfig::default()));
    let opening = Opening {
        identity: Identity { user: 0, app: None },
        scope: "api".into(),
        approval: None,
    };
    let token = oauth::open_session(&org, opening);
    // One that wanted the leads would never be answered: this thread has them.
    let held = org.leads();
    for path in [
        "",
        "/sobjects",
        "/sobjects/Lead",
        "/sobjects/Lead/describe",
        "/sobjects/User/describe",
        "/sobjects/User/005Hp0000000001IAA",
        "/limits",
        "/limits/recordCount?sObjects=Lead",
        "/recent",
        "/composite",
        "/composite/sobjects/User?ids=005Hp0000000001IAA&fields=Name",
        "/query?q=SELECT+Id+FROM+Lead&columns=true",
    ] {
        let request = axum::http::Request::builder()
            .uri(format!("/services/data/v67.0{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("host", "127.0.0.1")
            .body(Body::empty())
            .unwrap();
        let arrival = Arrival::out_of_nowhere().unwrap();
        let reply = runtime.block_on(serve(Arc::clone(&org), arrival, request));
        assert_eq!(reply.status, 200, "{path}");
    }
    drop(held);
}
