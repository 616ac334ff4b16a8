"""Gateways, cut connections, retired versions: what simple-salesforce makes of each."""

import requests
from org import arm, equal, lead, logged_in, records, refused
from simple_salesforce import SalesforceGeneralError

sf = logged_in()
UPSERT = "composite/sobjects/Lead/MySQL_Id__c"

arm(on="single", times=1, action={"kind": "html", "status": 503})
error = refused(SalesforceGeneralError, sf.Lead.create, lead("1"))
equal(error.status, 503)
assert "<html" in error.content.lower(), error.content

arm(on="collections", times=1, action={"kind": "drop", "commit": True})
refused(requests.ConnectionError, sf.restful, UPSERT, method="PATCH", json=records([lead("2")]))
# It was written all the same.
equal(sf.restful(UPSERT, method="PATCH", json=records([lead("2")]))[0]["created"], False)

error = refused(SalesforceGeneralError, logged_in(version="30.0").describe)
equal((error.status, error.content[0]["errorCode"]), (410, "GONE"))
