"""One lead at a time: create, read, update, upsert, delete."""

from org import equal, lead, logged_in, refused, report
from simple_salesforce import SalesforceResourceNotFound
from simple_salesforce.format import format_external_id

sf = logged_in()
created = sf.Lead.create(lead("1", Email="doe@example.com"))
equal((created["success"], created["errors"], created["id"][:3]), (True, [], "00Q"))
read = sf.Lead.get(created["id"])
equal((read["LastName"], read["Email"], read["IsConverted"]), ("Doe", "doe@example.com", False))
equal(sf.Lead.get_by_custom_id("MySQL_Id__c", "1")["Id"], created["id"])

equal(sf.Lead.update(created["id"], {"LastName": "Roe", "Email": None}), 204)
equal(sf.Lead.get(created["id"])["Email"], None)
equal(sf.Lead.upsert("MySQL_Id__c/1", {"LastName": "Doe", "Company": "Acme Two"}), 200)
# A key that needs quoting in a path.
answer = sf.Lead.upsert(format_external_id("MySQL_Id__c", "zwei & drei?"), {"LastName": "Roe", "Company": "Acme"}, raw_response=True)
equal((answer.status_code, answer.json()["created"]), (201, True))
# Until v45 an update by key answers without a word.
equal(logged_in(version="45.0").Lead.upsert("MySQL_Id__c/1", {"LastName": "Doe"}), 204)

equal(sf.Lead.delete(answer.json()["id"]), 204)
refused(SalesforceResourceNotFound, sf.Lead.get, answer.json()["id"])
report(id=created["id"])
