"""While a call that runs for 20 seconds fills the org, every new one is refused; when it has ended, none."""

from concurrent.futures import ThreadPoolExecutor

from org import arm, control, equal, lead, logged_in, refused
from simple_salesforce import SalesforceRefusedRequest

sf = logged_in()
arm(on="single", times=1, action={"kind": "hold"})
with ThreadPoolExecutor() as threads:
    slow = threads.submit(sf.Lead.create, lead("slow"))
    while control("GET", "stats")["held_requests"] == 0:
        pass
    sf.Lead.create(lead("quick"))
    control("POST", "clock", {"advance_seconds": 20})
    error = refused(SalesforceRefusedRequest, sf.Lead.create, lead("late"))
    busy = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    equal(error.content, [{"message": busy, "errorCode": "REQUEST_LIMIT_EXCEEDED"}])
    control("POST", "release")
    equal(slow.result()["success"], True)
    sf.Lead.create(lead("late"))
