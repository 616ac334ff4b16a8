"""What the org says of itself: who am I, versions, resources, objects, fields, limits."""

from org import USERNAME, VERSION, equal, logged_in, report

sf = logged_in()
user = sf.oauth2("userinfo")
equal(user["preferred_username"], USERNAME)
equal((len(user["user_id"]), len(user["organization_id"])), (18, 18))

resources = sf.restful("")
equal(resources["sobjects"], f"/services/data/v{VERSION}/sobjects")
known = [description["name"] for description in sf.describe()["sobjects"]]
assert "Lead" in known, known
equal(sf.Lead.metadata()["objectDescribe"]["keyPrefix"], "00Q")

fields = {field["name"]: field for field in sf.Lead.describe()["fields"]}
equal((fields["Company"]["nillable"], fields["Company"]["length"]), (False, 255))
equal((fields["MySQL_Id__c"]["externalId"], fields["MySQL_Id__c"]["unique"]), (True, True))
equal([value["value"] for value in fields["Plan__c"]["picklistValues"]], ["Free", "Team", "Business", "Enterprise"])

daily = sf.limits()["DailyApiRequests"]
usage = sf.api_usage["api-usage"]
equal((daily["Max"], daily["Max"] - daily["Remaining"]), (usage.total, usage.used))
report(used=usage.used)
