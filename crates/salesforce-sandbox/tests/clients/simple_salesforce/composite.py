"""Several requests in one: composite, batch, graph, tree, and the collections without a method of their own."""

from org import VERSION, equal, lead, logged_in, records, refused, report
from simple_salesforce import SalesforceMalformedRequest

sf = logged_in()
DATA = f"/services/data/v{VERSION}"


def create(reference, body):
    return {"method": "POST", "url": f"{DATA}/sobjects/Lead", "referenceId": reference, "body": body}


def post(path, body):
    return sf.restful(path, method="POST", json=body)


read = {"method": "GET", "url": f"{DATA}/sobjects/Lead/@{{first.id}}?fields=LastName", "referenceId": "read"}
answer = post("composite", {"allOrNone": True, "compositeRequest": [create("first", lead("1")), read]})
equal([part["httpStatusCode"] for part in answer["compositeResponse"]], [201, 200])
equal(answer["compositeResponse"][1]["body"]["LastName"], "Doe")

answer = post(
    "composite/batch",
    {
        "haltOnError": True,
        "batchRequests": [
            {"method": "PATCH", "url": f"v{VERSION}/sobjects/Lead/MySQL_Id__c/1", "richInput": {"City": "Ulm"}},
            {"method": "GET", "url": f"v{VERSION}/sobjects/Lead/MySQL_Id__c/nobody"},
            {"method": "GET", "url": f"v{VERSION}/limits"},
        ],
    },
)
equal((answer["hasErrors"], [part["statusCode"] for part in answer["results"]]), (True, [200, 404, 412]))

answer = post("composite/graph", {"graphs": [{"graphId": "g", "compositeRequest": [create("one", lead("2"))]}]})
equal([(graph["graphId"], graph["isSuccessful"]) for graph in answer["graphs"]], [("g", True)])

twigs = [{"attributes": {"type": "Lead", "referenceId": f"r{i}"}, **lead(f"t{i}")} for i in range(3)]
answer = post("composite/tree/Lead", {"records": twigs})
equal((answer["hasErrors"], [row["referenceId"] for row in answer["results"]]), (False, ["r0", "r1", "r2"]))
twigs[1] = {"attributes": {"type": "Lead", "referenceId": "bad"}, "LastName": "Doe"}
error = refused(SalesforceMalformedRequest, post, "composite/tree/Lead", {"records": twigs[1:2]})
equal(error.content["results"][0]["errors"][0]["statusCode"], "REQUIRED_FIELD_MISSING")

created = post("composite/sobjects", records([lead("c1"), lead("c2"), {"LastName": "Doe"}]))
equal([row["success"] for row in created], [True, True, False])
ids = [row["id"] for row in created[:2]]
updated = sf.restful(
    "composite/sobjects", method="PATCH", json=records([{"id": ids[0], "City": "Ulm"}, {"id": ids[1], "City": "Bonn"}])
)
equal([row["success"] for row in updated], [True, True])
rows = post("composite/sobjects/Lead", {"ids": ids, "fields": ["City"]})
equal([row["City"] for row in rows], ["Ulm", "Bonn"])
gone = sf.restful("composite/sobjects", method="DELETE", params={"ids": ",".join(ids), "allOrNone": "false"})
equal([row["success"] for row in gone], [True, True])
report(used=sf.api_usage["api-usage"].used)
