"""The app proves with its key that it may act for a user; `exp` goes as a string."""

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from org import CLIENT_ID, DOMAIN, USERNAME, VERSION, equal, refused, session
from simple_salesforce import Salesforce, SalesforceAuthenticationFailed

KEY_FILE = os.environ["PRIVATE_KEY_FILE"]


def log_in(**more):
    return Salesforce(
        **{"username": USERNAME, "consumer_key": CLIENT_ID, "version": VERSION, "session": session(), **more}
    )


at_login_host = log_in(privatekey_file=KEY_FILE)
equal(at_login_host.auth_type, "jwt-bearer")
at_login_host.limits()
# The assertion names the login host and goes to the org's own.
at_my_domain = log_in(privatekey=Path(KEY_FILE).read_text(), instance_url=DOMAIN)
equal(at_my_domain.sf_instance, "acme.my.salesforce.com")
equal(at_my_domain.oauth2("userinfo")["preferred_username"], USERNAME)
log_in(privatekey_file=KEY_FILE, domain="test")

stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)
for wrong, code, message in [
    ({"privatekey": stranger.decode()}, "invalid_grant", "invalid assertion"),
    ({"privatekey_file": KEY_FILE, "username": "someone@else.example"}, "invalid_grant", "user hasn't approved this consumer"),
    ({"privatekey_file": KEY_FILE, "consumer_key": "nobody"}, "invalid_client_id", "client identifier invalid"),
]:
    error = refused(SalesforceAuthenticationFailed, log_in, **wrong)
    equal((error.code, error.auth_message), (code, message))
