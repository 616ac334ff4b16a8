"""Headers that change what a write does, and those that change how it travels."""

import gzip
import json
import os

from org import equal, lead, logged_in, records

sf = logged_in()
integration = sf.oauth2("userinfo")["user_id"]
rule = os.environ["RULE_OWNER"]
off = {"Sforce-Auto-Assign": "FALSE"}


def owner(key):
    return sf.Lead.get_by_custom_id("MySQL_Id__c", key)["OwnerId"]


sf.Lead.create(lead("kept"), headers={**off, "Sforce-Call-Options": "client=acme-sync; defaultNamespace=acme"})
sf.Lead.create(lead("routed"))
equal((owner("kept"), owner("routed")), (integration, rule))
sf.restful("composite/sobjects/Lead/MySQL_Id__c", method="PATCH", json=records([lead("kept")]), headers=off)
equal(owner("kept"), integration)
sf.restful("composite/sobjects/Lead/MySQL_Id__c", method="PATCH", json=records([lead("kept")]))
equal(owner("kept"), rule)

# requests asks for gzip and unpacks it; simple-salesforce always asks for pretty JSON.
describe = sf.session.get(sf.base_url + "sobjects/Lead/describe", headers=sf.headers)
equal(describe.headers["Content-Encoding"], "gzip")
assert describe.text.startswith('{\n  "'), describe.text[:20]
packed = gzip.compress(json.dumps(lead("packed")).encode())
assert sf.restful("sobjects/Lead", method="POST", data=packed, headers={"Content-Encoding": "gzip"})["success"]
