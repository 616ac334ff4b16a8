"""SOAP login with a security token, and with an organization's id from a trusted address."""

import os

from org import USERNAME, VERSION, control, equal, refused, session
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed

PASSWORD = os.environ["PASSWORD"]
TOKEN = os.environ["SECURITY_TOKEN"]


def log_in(**more):
    return Salesforce(**{"username": USERNAME, "password": PASSWORD, "version": VERSION, "session": session(), **more})


sf = log_in(security_token=TOKEN, domain="acme.my", client_id="check")
equal(sf.auth_type, "password")
user = sf.oauth2("userinfo")
equal(user["preferred_username"], USERNAME)
first = sf.session_id
control("DELETE", "sessions")
sf.limits()
assert sf.session_id != first

# The password alone will do for who comes from a trusted address.
trusted = log_in(organizationId=user["organization_id"])
equal(trusted.auth_type, "ipfilter")
trusted.limits()

error = refused(SalesforceAuthenticationFailed, log_in, security_token="wrong")
equal(
    (error.code, error.auth_message),
    ("INVALID_LOGIN", "Invalid username, password, security token; or user locked out."),
)
