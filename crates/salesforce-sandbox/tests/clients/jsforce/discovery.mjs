// What the org says of itself: who am I, versions, resources, objects, fields, limits.
import { strict as assert } from 'node:assert';
import { connection, loggedIn, report, url, version } from './org.mjs';

const conn = await loggedIn();
const identity = await conn.identity();
assert.equal(identity.username, process.env.USERNAME);
assert.equal(identity.user_id, conn.userInfo.id);
assert.equal(identity.organization_id, conn.userInfo.organizationId);
const userInfo = await conn.request('/services/oauth2/userinfo');
assert.equal(userInfo.user_id, identity.user_id);
assert.equal(userInfo.preferred_username, process.env.USERNAME);

// With a bare token jsforce learns who it is from the resource map.
const bare = connection({ instanceUrl: url, accessToken: conn.accessToken });
assert.equal((await bare.identity()).user_id, identity.user_id);

const versions = await conn.request('/services/data');
assert.ok(versions.some((known) => known.version === version && known.url === `/services/data/v${version}`));
const resources = await conn.request('/');
assert.equal(resources.sobjects, `/services/data/v${version}/sobjects`);

const { sobjects } = await conn.describeGlobal();
assert.ok(sobjects.some(({ name, keyPrefix }) => name === 'Lead' && keyPrefix === '00Q'));
const description = await conn.sobject('Lead').describe();
const field = (name) => description.fields.find((known) => known.name === name);
assert.deepEqual([field('LastName').nillable, field('LastName').length], [false, 80]);
assert.ok(field('MySQL_Id__c').externalId && field('MySQL_Id__c').unique);
assert.deepEqual(
  field('Plan__c').picklistValues.map(({ value }) => value),
  ['Free', 'Team', 'Business', 'Enterprise'],
);

const limits = await conn.limits();
const { used, limit } = conn.limitInfo.apiUsage;
assert.equal(limits.DailyApiRequests.Max, limit);
assert.equal(limits.DailyApiRequests.Remaining, limit - used);
report({ used });
