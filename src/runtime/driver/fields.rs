//! What forms ask of the driver: a route's fields as Salesforce described them last.

use super::Driver;
use crate::runtime::commands::Declined;
use crate::runtime::fields::RouteFields;

impl Driver {
    pub(super) fn route_fields(&self, name: &str) -> Result<RouteFields, Declined> {
        let Some(route) = self.parts.routes.iter().find(|route| route.name == name) else {
            return Err(Declined {
                page: "LS6065".to_owned(),
                text: format!("the configuration has no route {name:?}"),
                remedy:
                    "a dead letter of a route that is gone can be discarded, or sent again once \
                         the route is back"
                        .to_owned(),
            });
        };
        let object = self.descriptions.object(&route.plan.object);
        let object = object.ok_or_else(|| Declined::not_now("the object is not described yet"))?;
        Ok(RouteFields::new(name, &route.plan, object))
    }
}
