// SOQL: conditions, order, pages, counts, other objects, refusals.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refused } from './org.mjs';

const conn = await loggedIn();
const leads = conn.sobject('Lead');
const keys = Array.from({ length: 450 }, (_, i) => `${i}`.padStart(3, '0'));
await leads.upsert(
  keys.map((key, i) => lead(key, { Score__c: i, Newsletter__c: i % 2 === 0, ...(i % 50 === 0 && { Email: `doe${i}@example.com` }) })),
  'MySQL_Id__c',
  { allowRecursive: true },
);

const one = await conn.query("SELECT Id, LastName, Score__c FROM Lead WHERE MySQL_Id__c = '007'");
assert.deepEqual([one.totalSize, one.done, one.records.length], [1, true, 1]);
assert.deepEqual([one.records[0].LastName, one.records[0].Score__c], ['Doe', 7]);
assert.equal(one.records[0].attributes.type, 'Lead');

// Pages as small as the org allows, followed by hand and by jsforce.
const headers = { 'Sforce-Query-Options': 'batchSize=200' };
const soql = 'SELECT MySQL_Id__c FROM Lead ORDER BY MySQL_Id__c';
let page = await conn.query(soql, { headers });
const sizes = [];
const found = [];
for (;;) {
  sizes.push(page.records.length);
  found.push(...page.records.map((record) => record.MySQL_Id__c));
  assert.equal(page.totalSize, 450);
  if (page.done) break;
  page = await conn.queryMore(page.nextRecordsUrl, { headers });
}
assert.deepEqual(sizes, [200, 200, 50]);
assert.deepEqual(found, keys);
const all = await conn.query(soql, { autoFetch: true, maxFetch: 1000, headers });
assert.equal(all.records.length, 450);

// jsforce writes the SOQL itself.
const builder = leads
  .find({ $and: [{ Score__c: { $gte: 100 } }, { Score__c: { $lt: 200 } }], Newsletter__c: true, LastName: { $like: 'D%' } }, ['Id', 'Score__c'])
  .sort({ Score__c: -1 })
  .limit(3)
  .skip(1);
assert.deepEqual((await builder).map((record) => record.Score__c), [196, 194, 192]);
assert.equal(await leads.count({ Email: { $ne: null } }), 9);
assert.equal((await conn.query('SELECT count() FROM Lead')).totalSize, 450);
const { records: chosen } = await conn.query("SELECT Name FROM Lead WHERE MySQL_Id__c IN ('001', '002', 'nobody')");
assert.deepEqual(chosen.map(({ Name }) => Name), ['Doe', 'Doe']);

// Deleted leads are seen by queryAll alone.
await leads.destroy(one.records[0].Id);
assert.equal((await conn.query('SELECT count() FROM Lead')).totalSize, 449);
const binned = await conn.query('SELECT Id, IsDeleted FROM Lead WHERE IsDeleted = true', { scanAll: true });
assert.deepEqual(binned.records.map(({ Id }) => Id), [one.records[0].Id]);

const organization = await conn.query('SELECT Name, IsSandbox, OrganizationType, InstanceName FROM Organization');
assert.equal(organization.totalSize, 1);
const user = await conn.query(`SELECT Id, Username FROM User WHERE Username = '${process.env.USERNAME}'`);
assert.equal(user.records[0].Id, conn.userInfo.id);

await refused(conn.query('SELECT Nope__c FROM Lead'), 'INVALID_FIELD', '');
await refused(conn.query('SELECT Id FROM Nope'), 'INVALID_TYPE', '');
await refused(conn.query('SELEC Id FROM Lead'), 'MALFORMED_QUERY', '');
await refused(conn.queryMore('01gNOPE-200'), 'INVALID_QUERY_LOCATOR', '');
