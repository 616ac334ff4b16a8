"""SOQL: conditions, pages, counts, other objects, refusals."""

import datetime

from org import USERNAME, equal, lead, logged_in, records, refused
from simple_salesforce import SalesforceMalformedRequest, format_soql

sf = logged_in()
for part in range(3):
    leads = [lead(f"{part}{i:03}", Score__c=i, Newsletter__c=i % 2 == 0) for i in range(150)]
    sf.restful("composite/sobjects/Lead/MySQL_Id__c", method="PATCH", json=records(leads))
awkward = "O'Neill \"the\" \\ one"
sf.Lead.create(lead("awkward", LastName=awkward))

found = sf.query(format_soql("SELECT Id, MySQL_Id__c FROM Lead WHERE LastName = {}", awkward))
equal((found["totalSize"], found["done"], found["records"][0]["MySQL_Id__c"]), (1, True, "awkward"))
some = format_soql(
    "SELECT Score__c FROM Lead WHERE MySQL_Id__c LIKE '1%' AND Score__c IN {} AND CreatedDate > {} ORDER BY Score__c DESC",
    [3, 4, 5],
    datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
)
equal([row["Score__c"] for row in sf.query(some)["records"]], [5, 4, 3])

small = {"headers": {"Sforce-Query-Options": "batchSize=200"}}
first = sf.query("SELECT MySQL_Id__c FROM Lead ORDER BY MySQL_Id__c", **small)
equal((first["totalSize"], first["done"], len(first["records"])), (451, False, 200))
locator = first["nextRecordsUrl"].rsplit("/", 1)[1]
equal(len(sf.query_more(locator)["records"]), 200)
everything = sf.query_all("SELECT MySQL_Id__c FROM Lead ORDER BY MySQL_Id__c", **small)
keys = [row["MySQL_Id__c"] for row in everything["records"]]
equal((len(keys), keys == sorted(keys), keys[0]), (451, True, "0000"))
equal(sum(1 for _ in sf.query_all_iter("SELECT Id FROM Lead WHERE Newsletter__c = true", **small)), 225)
equal(sf.query("SELECT COUNT() FROM Lead")["totalSize"], 451)

sf.Lead.delete(found["records"][0]["Id"])
equal(sf.query("SELECT COUNT() FROM Lead")["totalSize"], 450)
binned = sf.query_all("SELECT Id FROM Lead WHERE IsDeleted = true", include_deleted=True)["records"]
equal([row["Id"] for row in binned], [found["records"][0]["Id"]])

equal(sf.is_sandbox(), False)
equal(sf.query(format_soql("SELECT Username FROM User WHERE Username = {}", USERNAME))["totalSize"], 1)

for soql, code in [
    ("SELECT Nope__c FROM Lead", "INVALID_FIELD"),
    ("SELECT Id FROM Nope", "INVALID_TYPE"),
    ("SELEC Id FROM Lead", "MALFORMED_QUERY"),
]:
    equal(refused(SalesforceMalformedRequest, sf.query, soql).content[0]["errorCode"], code)
