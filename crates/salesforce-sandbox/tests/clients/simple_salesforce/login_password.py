"""A user's name and password, for an app with a secret."""

import os

from org import CLIENT_ID, CLIENT_SECRET, USERNAME, VERSION, equal, refused, session
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed


def log_in(password):
    return Salesforce(
        username=USERNAME,
        password=password,
        consumer_key=CLIENT_ID,
        consumer_secret=CLIENT_SECRET,
        domain="acme.my",
        version=VERSION,
        session=session(),
    )


sf = log_in(os.environ["PASSWORD"] + os.environ["SECURITY_TOKEN"])
equal(sf.auth_type, "password")
equal(sf.oauth2("userinfo")["preferred_username"], USERNAME)
error = refused(SalesforceAuthenticationFailed, log_in, "wrong")
equal((error.code, error.auth_message), ("invalid_grant", "authentication failure"))
