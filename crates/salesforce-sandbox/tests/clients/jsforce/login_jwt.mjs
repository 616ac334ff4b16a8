// The app proves with its key that it may act for a user; jsforce carries the assertion, the caller signs it.
import { strict as assert } from 'node:assert';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { clientId, jsforce, refusal, report, url, version } from './org.mjs';

const key = readFileSync(process.env.PRIVATE_KEY_FILE);
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function assertion(claims, signedWith = key) {
  const text = `${part({ alg: 'RS256' })}.${part({
    iss: clientId,
    sub: process.env.USERNAME,
    aud: 'https://login.salesforce.com',
    exp: Math.floor(Date.now() / 1000) + 180,
    ...claims,
  })}`;
  return `${text}.${createSign('RSA-SHA256').update(text).sign(signedWith, 'base64url')}`;
}

async function logIn(claims, signedWith) {
  const conn = new jsforce.Connection({ loginUrl: url, version });
  await conn.authorize({
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    assertion: assertion(claims, signedWith),
  });
  return conn;
}

const conn = await logIn({});
assert.equal(conn.instanceUrl, url);
assert.equal(conn.refreshToken, undefined);
const identity = await conn.identity();
assert.equal(identity.username, process.env.USERNAME);

// The CLI sends milliseconds and the org's own URL.
await (await logIn({ exp: Date.now() + 300, aud: url })).limits();

const refuse = async (claims, signedWith, name, message) => {
  const error = await refusal(logIn(claims, signedWith));
  assert.deepEqual([error.name, error.message], [name, message]);
};
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
await refuse({}, stranger, 'invalid_grant', 'invalid assertion');
await refuse({ iss: 'nobody' }, key, 'invalid_client_id', 'client identifier invalid');
await refuse({ aud: 'https://elsewhere.example' }, key, 'invalid_grant', 'audience is invalid');
await refuse({ sub: 'someone@else.example' }, key, 'invalid_grant', "user hasn't approved this consumer");
report({ user: identity.user_id });
