"""The org's own rules: duplicates that may be saved all the same, validation, a trigger that fails."""

from org import equal, lead, logged_in, refused
from simple_salesforce import SalesforceMalformedRequest

sf = logged_in()
first = sf.Lead.create(lead("1", Email="ada@example.com"))
twin = {"LastName": "Doe", "Company": "Acme", "Email": "ADA@example.com"}

# An upsert that would insert is held to the rule too.
[error] = refused(SalesforceMalformedRequest, sf.Lead.upsert, "MySQL_Id__c/2", twin).content
equal(error["errorCode"], "DUPLICATES_DETECTED")
told = error["duplicateResut"]
equal((told["allowSave"], told["matchResults"][0]["matchRecords"][0]["record"]["Id"]), (True, first["id"]))
equal(sf.Lead.upsert("MySQL_Id__c/2", twin, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"}), 201)

for record, code, message in [
    (lead("3", AnnualRevenue=-1), "FIELD_CUSTOM_VALIDATION_EXCEPTION", "Revenue cannot be negative."),
    (lead("4", Title="Troll"), "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: "),
]:
    [error] = refused(SalesforceMalformedRequest, sf.Lead.create, record).content
    equal(error["errorCode"], code)
    assert error["message"].startswith(message), error
