"""The day's calls run out: 403 by code and message, counted in the header of every reply before."""

from org import control, equal, lead, logged_in, refused
from simple_salesforce import SalesforceRefusedRequest

sf = logged_in()
spent = [{"message": "TotalRequests Limit exceeded.", "errorCode": "REQUEST_LIMIT_EXCEEDED"}]


def usage():
    usage = sf.api_usage["api-usage"]
    return usage.used, usage.total


daily = sf.limits()["DailyApiRequests"]
equal((daily["Max"], daily["Remaining"]), (3, 2))
equal(usage(), (1, 3))
equal(sf.api_usage["per-app-api-usage"], (1, 2, "leadstream-demo"))
leads = sf.Lead
leads.create(lead("1"))
equal(leads.api_usage["api-usage"], (2, 3))
sf.restful("")
equal(usage(), (3, 3))
equal(refused(SalesforceRefusedRequest, leads.create, lead("2")).content, spent)
equal(refused(SalesforceRefusedRequest, sf.limits).content, spent)
# A day later they are there again; the refused calls were not counted.
control("POST", "clock", {"advance_seconds": 24 * 3600 + 1})
leads.create(lead("2"))
equal(leads.api_usage["api-usage"], (1, 3))
