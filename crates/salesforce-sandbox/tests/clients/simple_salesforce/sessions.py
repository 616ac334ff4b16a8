"""A session dies in the middle of work: simple-salesforce logs in anew and repeats the call."""

import os

import requests
from org import URL, VERSION, arm, control, equal, lead, logged_in, refused, session
from simple_salesforce import Salesforce, SalesforceExpiredSession

sf = logged_in()
first = sf.session_id
control("DELETE", "sessions")
# The repeated call comes without the caller's headers: simple-salesforce loses them, so the rule takes the lead.
sf.Lead.create(lead("1"), headers={"Sforce-Auto-Assign": "FALSE"})
assert sf.session_id != first
equal(sf.Lead.get_by_custom_id("MySQL_Id__c", "1")["OwnerId"], os.environ["RULE_OWNER"])

# Idle for longer than the org allows.
control("POST", "clock", {"advance_seconds": 7201})
equal(sf.limits()["DailyApiRequests"]["Remaining"] > 0, True)

# When a new session does not help either, it gives up after a few.
arm(on="other", action={"kind": "session_expired"})
refused(SalesforceExpiredSession, sf.limits)
control("DELETE", "faults")

# A session that was given, not earned, cannot be renewed. It is the org's own address that is used here.
direct = requests.Session()
direct.trust_env = False
direct.verify = os.environ.get("SANDBOX_CA", True)
if URL.startswith("https://"):
    given = Salesforce(session_id=sf.session_id, instance_url=URL, session=direct, version=VERSION)
else:
    given = Salesforce(session_id=sf.session_id, instance_url="https://acme.my.salesforce.com", session=session(), version=VERSION)
given.Lead.create(lead("2"))
sf.oauth2("revoke", {"token": given.session_id}, method="POST")
error = refused(SalesforceExpiredSession, given.limits)
equal(error.content, [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
