// A user at a browser lets an app in; afterwards the app renews its sessions by itself, until it is told to forget.
import { strict as assert } from 'node:assert';
import { clientId, clientSecret, control, jsforce, refusal, refused, report, url, version } from './org.mjs';

const redirectUri = 'http://localhost:1717/OauthRedirect';

function app() {
  const oauth2 = new jsforce.OAuth2({ loginUrl: url, clientId, clientSecret, redirectUri, useVerifier: true });
  return new jsforce.Connection({ oauth2, loginUrl: url, version });
}

/** What the browser is sent back with. */
async function approve({ oauth2 }) {
  const page = oauth2.getAuthorizationUrl({ scope: 'api id refresh_token', state: 'from here', login_hint: process.env.USERNAME });
  const answer = await fetch(page, { redirect: 'manual' });
  assert.equal(answer.status, 302);
  const back = new URL(answer.headers.get('location'));
  assert.equal(back.origin + back.pathname, redirectUri);
  assert.equal(back.searchParams.get('state'), 'from here');
  return back.searchParams.get('code');
}

const conn = app();
const code = await approve(conn);
const user = await conn.authorize(code);
assert.equal((await conn.identity()).username, process.env.USERNAME);
assert.ok(conn.refreshToken);

const wrong = async (stranger, stolen, message) => {
  const error = await refusal(stranger.authorize(stolen));
  assert.deepEqual([error.name, error.message], ['invalid_grant', message]);
};
// A code is worth nothing to who has not the verifier, and nothing twice.
await wrong(app(), await approve(conn), 'invalid code verifier');

let refreshes = 0;
conn.on('refresh', () => (refreshes += 1));
await control('DELETE', 'sessions');
await Promise.all([conn.limits(), conn.describeGlobal()]);
assert.equal(refreshes, 1);

// Forgotten: the token for new sessions is gone, and with it the session that came of it.
await conn.oauth2.revokeToken(conn.refreshToken);
const error = await refusal(conn.oauth2.refreshToken(conn.refreshToken));
assert.deepEqual([error.name, error.message], ['invalid_grant', 'expired access/refresh token']);
conn._refreshDelegate = undefined;
await refused(conn.limits(), 'INVALID_SESSION_ID', 'Session expired or invalid');
await wrong(app(), code, 'expired authorization code');
report({ user: user.id });
