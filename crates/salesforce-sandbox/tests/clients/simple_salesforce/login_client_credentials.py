"""The app logs in as itself, with HTTP Basic."""

from org import CLIENT_ID, CLIENT_SECRET, DOMAIN, VERSION, equal, logged_in, refused, session
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed

sf = logged_in()
equal(sf.auth_type, "client-credentials")
equal(sf.sf_instance, "acme.my.salesforce.com")
sf.limits()


def refuse(code, message, **wrong):
    login = {"consumer_key": CLIENT_ID, "consumer_secret": CLIENT_SECRET, "domain": DOMAIN, "version": VERSION}
    error = refused(SalesforceAuthenticationFailed, Salesforce, session=session(), **{**login, **wrong})
    equal((error.code, error.auth_message), (code, message))


refuse("invalid_client", "invalid client credentials", consumer_secret="wrong")
refuse("invalid_client_id", "client identifier invalid", consumer_key="nobody")
