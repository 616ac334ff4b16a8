// What every jsforce script starts from: jsforce as it was installed, and the org under test.
import { strict as assert } from 'node:assert';
import { createRequire } from 'node:module';

export const jsforce = createRequire(`${process.env.CLIENTS}/`)('jsforce');
export const url = process.env.SANDBOX_URL;
export const clientId = process.env.CLIENT_ID;
export const clientSecret = process.env.CLIENT_SECRET;
export const version = '67.0';

/** A connection that knows the org and its app and is not logged in. */
export function connection(more = {}) {
  return new jsforce.Connection({
    loginUrl: url,
    version,
    oauth2: { loginUrl: url, clientId, clientSecret },
    ...more,
  });
}

/** A connection that logs in, and logs in anew when its session dies, with the app's own credentials. */
export async function loggedIn(more = {}) {
  const refreshFn = async (stale, done) => {
    try {
      await stale.authorize({ grant_type: 'client_credentials' });
      done(null, stale.accessToken);
    } catch (error) {
      done(error);
    }
  };
  const conn = connection({ refreshFn, ...more });
  await conn.authorize({ grant_type: 'client_credentials' });
  return conn;
}

export const lead = (key, more = {}) => ({
  MySQL_Id__c: key,
  LastName: 'Doe',
  Company: 'Acme',
  ...more,
});

/** Asks the sandbox itself, beside Salesforce's API. */
export async function control(method, path, body) {
  const answer = await fetch(`${url}/__sandbox/${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  const text = await answer.text();
  return text && JSON.parse(text);
}

export const arm = (fault) => control('POST', 'faults', fault);

/** The error that a promise ends with; fails when it does not. */
export async function refusal(promise) {
  const outcome = await promise.then((value) => ({ value }), (error) => ({ error }));
  assert.ok(outcome.error, `was not refused but gave ${JSON.stringify(outcome.value)}`);
  return outcome.error;
}

/** Asserts the code and the beginning of the message of a refused call. */
export async function refused(promise, code, message) {
  const error = await refusal(promise);
  assert.equal(error.errorCode, code, `${error.errorCode}: ${error.message}`);
  assert.ok(error.message.startsWith(message), error.message);
  return error;
}

/** Tells the test, which looks whether the org agrees. */
export const report = (facts) => console.log(JSON.stringify(facts));
