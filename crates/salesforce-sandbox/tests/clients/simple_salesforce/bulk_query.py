"""Bulk API 2.0 query: pages by locator, into memory and into files."""

import csv
import io
import tempfile
from pathlib import Path

from org import equal, lead, logged_in, records

sf = logged_in()
leads = sf.bulk2.Lead
QUICK = {"wait": 0.01}
keys = [f"{i:03}" for i in range(120)]
company = 'Acme, "Sons"\n& Daughters'
sf.restful("composite/sobjects/Lead/MySQL_Id__c", method="PATCH", json=records([lead(key, Company=company) for key in keys]))

soql = "SELECT Id, MySQL_Id__c, Company FROM Lead ORDER BY MySQL_Id__c"
pages = list(leads.query(soql, max_records=50, **QUICK))
equal([len(list(csv.DictReader(io.StringIO(page)))) for page in pages], [50, 50, 20])
rows = [row for page in pages for row in csv.DictReader(io.StringIO(page))]
equal([row["MySQL_Id__c"] for row in rows], keys)
equal(rows[0]["Company"], company)

with tempfile.TemporaryDirectory() as folder:
    parts = leads.download(soql, path=folder, max_records=100, **QUICK)
    equal([(part["number_of_records"], part["locator"] != "") for part in parts], [(100, True), (20, False)])
    texts = [Path(part["file"]).read_text(encoding="utf-8") for part in parts]
    equal(sum(len(list(csv.DictReader(io.StringIO(text)))) for text in texts), 120)

sf.Lead.delete(rows[0]["Id"])
counts = [sum(len(list(csv.DictReader(io.StringIO(page)))) for page in query("SELECT Id FROM Lead", **QUICK)) for query in (leads.query, leads.query_all)]
equal(counts, [119, 120])
