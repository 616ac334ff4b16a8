"""What every simple-salesforce script starts from: a session that finds the org under test, and a login."""

import json
import os
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

URL = os.environ["SANDBOX_URL"]
CLIENT_ID = os.environ["CLIENT_ID"]
CLIENT_SECRET = os.environ["CLIENT_SECRET"]
USERNAME = os.environ["USERNAME"]
VERSION = "67.0"
# simple-salesforce makes https://acme.my.salesforce.com of it.
DOMAIN = "acme.my"


class ToTheSandbox(HTTPAdapter):
    """Takes what is meant for a Salesforce host to the sandbox, in that host's name."""

    def send(self, request, **kwargs):
        meant = urlsplit(request.url)
        request.headers["Host"] = meant.netloc
        request.url = request.url.replace(f"{meant.scheme}://{meant.netloc}", URL, 1)
        return super().send(request, **kwargs)


def session():
    session = requests.Session()
    session.trust_env = False
    session.verify = os.environ.get("SANDBOX_CA", True)
    session.mount("https://", ToTheSandbox())
    return session


def logged_in(**more):
    """Logs in with the app's own credentials, and anew when the session dies."""
    return Salesforce(
        consumer_key=CLIENT_ID,
        consumer_secret=CLIENT_SECRET,
        domain=DOMAIN,
        session=session(),
        **{"version": VERSION, **more},
    )


def lead(key, **more):
    return {"MySQL_Id__c": key, "LastName": "Doe", "Company": "Acme", **more}


def records(leads):
    """As a collection call wants them."""
    return {"records": [{"attributes": {"type": "Lead"}, **lead} for lead in leads]}


def control(method, path, body=None):
    """Asks the sandbox itself, beside Salesforce's API."""
    with requests.Session() as direct:
        direct.trust_env = False
        verify = os.environ.get("SANDBOX_CA", True)
        answer = direct.request(method, f"{URL}/__sandbox/{path}", json=body, verify=verify)
    answer.raise_for_status()
    return answer.json() if answer.content else None


def arm(**fault):
    return control("POST", "faults", fault)


def refused(kind, call, *args, **kwargs):
    """The error of this kind that the call ends with; fails when it does not."""
    try:
        outcome = call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"was not refused but gave {outcome!r}")


def equal(found, expected):
    assert found == expected, f"\nfound    {found!r}\nexpected {expected!r}"


def report(**facts):
    """Tells the test, which looks whether the org agrees."""
    print(json.dumps(facts))
