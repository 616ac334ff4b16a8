"""Bulk API 2.0: every operation, and the results of each row."""

import csv
import io
import json
import tempfile
from pathlib import Path

from org import control, equal, lead, logged_in, refused
from simple_salesforce import SalesforceExpiredSession
from simple_salesforce.bulk2 import ColumnDelimiter, LineEnding

sf = logged_in()
leads = sf.bulk2.Lead
QUICK = {"wait": 0.01}


def rows_of(read, job):
    """Through a file, for simple-salesforce reads what says no charset as if it were Latin-1."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "results.csv")
        read(job["job_id"], file=str(path))
        return list(csv.DictReader(io.StringIO(path.read_bytes().decode())))


awkward = 'Zeile eins\nZeile "zwei", mit; allen | Trennern\tund ü 漢'
rows = [lead(f"{i}", Description=awkward, Score__c=i) for i in range(250)]
rows += [lead("bad", LastName=""), lead("worse", Plan__c="Gold")]
# In two jobs, for they are cut at 200.
jobs = leads.insert(records=rows, batch_size=200, **QUICK)
equal([(job["numberRecordsTotal"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) for job in jobs], [(200, 200, 0), (52, 52, 2)])
succeeded = [row for job in jobs for row in rows_of(leads.get_successful_records, job)]
by_key = {row["MySQL_Id__c"]: row for row in succeeded}
equal((len(by_key), {row["sf__Created"] for row in succeeded}), (250, {"true"}))
equal(by_key["7"]["Description"], awkward)
failed = {row["MySQL_Id__c"]: row["sf__Error"] for row in rows_of(leads.get_failed_records, jobs[1])}
equal(
    failed,
    {
        "bad": "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
        "worse": "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST:Plan: bad value for restricted picklist field: Gold:Plan__c --",
    },
)
# It asks for unprocessedRecords, with a capital R.
equal(rows_of(leads.get_unprocessed_records, jobs[1]), [])

# An empty cell leaves a field alone, #N/A empties it; delimiters and line ends as told.
[job] = leads.upsert(
    records=[lead("7", Description="", Score__c="#N/A"), lead("new", Description="", Score__c=1)],
    external_id_field="MySQL_Id__c",
    column_delimiter=ColumnDelimiter.PIPE,
    line_ending=LineEnding.CRLF,
    **QUICK,
)
equal((job["numberRecordsProcessed"], job["numberRecordsFailed"]), (2, 0))
seven = sf.Lead.get_by_custom_id("MySQL_Id__c", "7")
equal((seven["Score__c"], seven["Description"]), (None, awkward))

[job] = leads.update(records=[{"Id": by_key["8"]["sf__Id"], "City": "Ulm"}], **QUICK)
equal(job["numberRecordsFailed"], 0)
[job] = leads.delete(records=[{"Id": by_key[key]["sf__Id"]} for key in ("10", "11")], **QUICK)
equal((job["numberRecordsProcessed"], job["numberRecordsFailed"]), (2, 0))

# It wants JSON from an answer that has none: the job is deleted all the same.
refused(json.JSONDecodeError, leads._client.delete_job, job["job_id"], False)
known = [info["id"] for info in sf.restful("jobs/ingest")["records"]]
equal((job["job_id"] in known, jobs[0]["job_id"] in known), (False, True))

# Its bulk handler does not log in anew.
control("DELETE", "sessions")
refused(SalesforceExpiredSession, leads.insert, records=[lead("late")], **QUICK)
