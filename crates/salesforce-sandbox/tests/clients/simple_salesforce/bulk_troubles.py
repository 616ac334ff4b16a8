"""Bulk jobs that fail or are stopped: what was written stays, and every row is in one of the three files."""

from org import arm, control, equal, lead, logged_in, refused
from simple_salesforce.bulk2 import Operation
from simple_salesforce.exceptions import SalesforceOperationError

sf = logged_in()
leads = sf.bulk2.Lead
client = leads._client
QUICK = {"wait": 0.01}


def jobs():
    """Of the org, oldest first; simple-salesforce forgets the id of a job that failed."""
    return [job["id"] for job in control("GET", "jobs")]


def fails(message, load, **more):
    error = refused(SalesforceOperationError, load, **QUICK, **more)
    equal(str(error), f"Job failure. Response content: {message}")


fails("InvalidBatch : Field name not found : Foo__c", leads.insert, records=[lead("stray", Foo__c="x")])
equal(len(leads.get_all_ingest_records(jobs()[-1])["unprocessedRecords"]), 1)

failure = "InternalServerError : Retried more than 20 times"
arm(on="bulk", times=1, action={"kind": "bulk_fail", "after_rows": 200})
arm(on="bulk", keys=["half7"], action={"kind": "record_error", "status_code": "UNABLE_TO_LOCK_ROW", "message": "locked"})
fails(failure, leads.upsert, records=[lead(f"half{i}") for i in range(450)], external_id_field="MySQL_Id__c")
half = leads.get_all_ingest_records(jobs()[-1])
equal({name: len(rows) for name, rows in half.items()}, {"successfulRecords": 199, "failedRecords": 1, "unprocessedRecords": 250})
equal((half["failedRecords"][0]["MySQL_Id__c"], half["failedRecords"][0]["sf__Error"]), ("half7", "UNABLE_TO_LOCK_ROW:locked:--"))

# Stopped before it began.
job = client.create_job(Operation.insert)
equal((job["state"], job["object"], job["contentType"]), ("Open", "Lead", "CSV"))
client.upload_job_data(job["id"], "LastName,Company\nDoe,Acme\n")
equal(client.abort_job(job["id"], False)["state"], "Aborted")
refused(SalesforceOperationError, client.wait_for_job, job["id"], False, 0.01)
equal(len(leads.get_all_ingest_records(job["id"])["unprocessedRecords"]), 1)
