//! What a viewer's token is told of people: that there is something, and how it begins.

use super::super::endpoints::Work;
use super::super::serving::Call;
use super::*;
use crate::operator::Query;
use crate::operator::console::bench::{Bench, lead};

/// What is personal in the seventh lead: of its key, its payload, and the message of its error.
const PERSONAL: [&str; 5] = [
    "L-7",
    "Lovelace",
    "Engines",
    "ada.7@example.com",
    "Kalifornien",
];

async fn told(bench: &Bench, role: Role, path: &str) -> Value {
    let mut request = request("GET", &format!("{ROOT}{path}"), "");
    request.extensions_mut().insert(Identity {
        name: "anna".into(),
        role,
        csrf: None,
    });
    let router = router().with_state(bench.view.clone());
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    let body = axum::body::to_bytes(response.into_body(), 1 << 22).await;
    serde_json::from_slice(&body.unwrap()).unwrap()
}

#[tokio::test]
async fn a_viewer_is_told_nobody_s_values() {
    let bench = Bench::new((1..=7).map(lead).collect());
    for path in [
        "/dead-letters/7",
        "/dead-letters?after=6",
        "/leads?key=L-7",
        "/leads?email=ada.7@example.com",
    ] {
        let open = told(&bench, Role::Operator, path).await.to_string();
        assert!(
            open.contains("L-7"),
            "{path} tells operators too little: {open}"
        );
        let masked = told(&bench, Role::Viewer, path).await.to_string();
        let shown: Vec<_> = PERSONAL.iter().filter(|it| masked.contains(**it)).collect();
        assert!(shown.is_empty(), "{path} shows {shown:?}: {masked}");
        // There is something all the same, and what is nobody's stays.
        assert!(masked.contains("L•••"), "{path}: {masked}");
        assert!(
            masked.contains("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
            "{path}: {masked}"
        );
    }
}

#[test]
fn a_preview_is_masked_before_it_is_made_for_those_who_may_not_see_people() {
    let preview = ENDPOINTS.iter().find(|it| it.path.ends_with("/preview"));
    let Work::Ask(make) = preview.unwrap().work else {
        panic!("it asks nothing");
    };
    for sees_people in [false, true] {
        let call = Call {
            sees_people,
            ..parity::call(preview.unwrap())
        };
        match make(&call).unwrap() {
            Query::Preview { masked, .. } => assert_eq!(masked, !sees_people),
            other => panic!("{other:?}"),
        }
    }
}
