"""What is refused, and as which exception."""

from org import equal, lead, logged_in, records, refused
from simple_salesforce import (
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

sf = logged_in()
taken = sf.Lead.create(lead("taken"))["id"]


def refuse(kind, status, code, message, call, *args, **kwargs):
    error = refused(kind, call, *args, **kwargs)
    equal((error.status, len(error.content), error.content[0]["errorCode"]), (status, 1, code))
    found = error.content[0]["message"]
    assert found.startswith(message), found
    return error.content[0]


def malformed(code, message, record):
    return refuse(SalesforceMalformedRequest, 400, code, message, sf.Lead.create, record)


error = malformed("REQUIRED_FIELD_MISSING", "Required fields are missing: [Company]", {"LastName": "Doe"})
equal(error["fields"], ["Company"])
malformed(
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
    "Plan: bad value for restricted picklist field: Gold",
    lead("1", Plan__c="Gold"),
)
malformed("DUPLICATE_VALUE", "duplicate value found: MySQL_Id__c duplicates value on record with id:", lead("taken"))
malformed("INVALID_FIELD", "No such column 'Nope__c' on sobject of type Lead", lead("1", Nope__c=1))
malformed("JSON_PARSER_ERROR", "Cannot deserialize instance of date from VALUE_STRING value", lead("1", Birthday__c="today"))
refuse(
    SalesforceResourceNotFound,
    404,
    "NOT_FOUND",
    "Provided external ID field does not exist or is not accessible: Nope__c",
    sf.Lead.upsert,
    "Nope__c/1",
    {"LastName": "Doe", "Company": "Acme"},
)
refuse(SalesforceResourceNotFound, 404, "NOT_FOUND", "The requested resource does not exist", sf.Nope.create, {"Name": "x"})
refuse(SalesforceGeneralError, 405, "METHOD_NOT_ALLOWED", "", sf.restful, "limits", method="PUT")

for key in "gh":
    sf.Lead.create(lead(key, Email="same@example.com"))
error = refused(SalesforceMoreThanOneRecord, sf.Lead.upsert, "Email/same@example.com", {"LastName": "Roe"})
equal((error.status, len(error.content)), (300, 2))

results = sf.restful(
    "composite/sobjects/Lead/MySQL_Id__c",
    method="PATCH",
    json=records([lead("a"), lead("b", Email="no address"), lead("c"), lead("c"), lead("", City="Ulm")]),
)
equal(
    [result["success"] or result["errors"][0]["statusCode"] for result in results],
    [True, "INVALID_EMAIL_ADDRESS", "DUPLICATE_VALUE", "DUPLICATE_VALUE", "MISSING_ARGUMENT"],
)
refuse(
    SalesforceMalformedRequest,
    400,
    "JSON_PARSER_ERROR",
    "Cannot deserialize instance of datetime",
    sf.restful,
    "composite/sobjects/Lead/MySQL_Id__c",
    method="PATCH",
    json=records([lead("e"), lead("f", Signup_At__c="soon")]),
)
