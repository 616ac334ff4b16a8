// Several requests in one: composite, batch, graph, tree.
import { strict as assert } from 'node:assert';
import { lead, loggedIn, refused, report, version } from './org.mjs';

const conn = await loggedIn();
const data = `/services/data/v${version}`;
const used = () => conn.limitInfo.apiUsage.used;

// A later subrequest speaks of an earlier one's result.
const upsert = { method: 'PATCH', url: `${data}/sobjects/Lead/MySQL_Id__c/1`, referenceId: 'first', body: { LastName: 'Doe', Company: 'Acme' } };
const read = { method: 'GET', url: `${data}/sobjects/Lead/@{first.id}?fields=LastName`, referenceId: 'read' };
let answer = await conn.requestPost('/composite', { allOrNone: true, compositeRequest: [upsert, read] });
assert.deepEqual(answer.compositeResponse.map(({ referenceId, httpStatusCode }) => [referenceId, httpStatusCode]), [['first', 201], ['read', 200]]);
assert.equal(answer.compositeResponse[1].body.LastName, 'Doe');
assert.equal(used(), 1);

// All or none: what went well is undone and says so.
const create = (referenceId, body) => ({ method: 'POST', url: `${data}/sobjects/Lead`, referenceId, body });
answer = await conn.requestPost('/composite', { allOrNone: true, compositeRequest: [create('good', lead('2')), create('bad', { LastName: 'Doe' })] });
assert.deepEqual(answer.compositeResponse.map(({ httpStatusCode, body }) => [httpStatusCode, body[0].errorCode]), [
  [400, 'PROCESSING_HALTED'],
  [400, 'REQUIRED_FIELD_MISSING'],
]);

// A thousand leads for one call of the day's allocation.
const before = used();
const collection = (part) => ({
  method: 'PATCH',
  url: `${data}/composite/sobjects/Lead/MySQL_Id__c`,
  referenceId: `part${part}`,
  body: { records: Array.from({ length: 200 }, (_, i) => ({ attributes: { type: 'Lead' }, ...lead(`m${part}-${i}`) })) },
});
answer = await conn.requestPost('/composite', { compositeRequest: [0, 1, 2, 3, 4].map(collection) });
assert.ok(answer.compositeResponse.every(({ httpStatusCode, body }) => httpStatusCode === 200 && body.every(({ created }) => created)));
assert.equal(used(), before + 1);

// In a batch each subrequest stands, and counts, for itself.
answer = await conn.requestPost('/composite/batch', {
  batchRequests: [
    { method: 'PATCH', url: `v${version}/sobjects/Lead/MySQL_Id__c/1`, richInput: { City: 'Ulm' } },
    { method: 'GET', url: `v${version}/sobjects/Lead/MySQL_Id__c/nobody` },
    { method: 'GET', url: `${data}/limits` },
  ],
});
assert.equal(answer.hasErrors, true);
assert.deepEqual(answer.results.map(({ statusCode }) => statusCode), [200, 404, 200]);
assert.equal(answer.results[1].result[0].errorCode, 'NOT_FOUND');

// Each graph is all or none by itself.
answer = await conn.requestPost('/composite/graph', {
  graphs: [
    { graphId: 'whole', compositeRequest: [create('one', lead('g1')), create('two', lead('g2'))] },
    { graphId: 'broken', compositeRequest: [create('three', lead('g3')), create('four', { LastName: 'Doe' })] },
  ],
});
assert.deepEqual(answer.graphs.map(({ graphId, isSuccessful }) => [graphId, isSuccessful]), [['whole', true], ['broken', false]]);
assert.deepEqual(answer.graphs[0].graphResponse.compositeResponse.map(({ httpStatusCode }) => httpStatusCode), [201, 201]);

const twig = (referenceId, body) => ({ attributes: { type: 'Lead', referenceId }, ...body });
answer = await conn.requestPost('/composite/tree/Lead', { records: [twig('a', lead('t1')), twig('b', lead('t2'))] });
assert.equal(answer.hasErrors, false);
assert.deepEqual(answer.results.map(({ referenceId }) => referenceId), ['a', 'b']);
const broken = conn.requestPost('/composite/tree/Lead', { records: [twig('c', lead('t3')), twig('d', { LastName: 'Doe' })] });
const error = await broken.then(() => assert.fail('the tree was taken'), (caught) => caught);
// jsforce looks for a message where a tree has none, and hands over the body as text.
const { hasErrors, results } = JSON.parse(error.message);
assert.equal(hasErrors, true);
assert.deepEqual(results.map(({ referenceId, errors }) => [referenceId, errors[0].statusCode]), [['d', 'REQUIRED_FIELD_MISSING']]);

const many = Array.from({ length: 26 }, (_, i) => create(`r${i}`, lead('never')));
answer = await conn.requestPost('/composite', { compositeRequest: many });
assert.deepEqual(answer.compositeResponse.map(({ httpStatusCode, body }) => [httpStatusCode, body[0].errorCode]), [[400, 'LIMIT_EXCEEDED']]);
report({ used: used() });
