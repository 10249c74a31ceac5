// What node-vault's users do: read, write, list, delete, log in, unwrap.
//
// Environment: VAULT_ADDR and VAULT_TOKEN, a root token of a server that has an `ssh` mount without a key.

"use strict";

const assert = require("node:assert/strict");
const nodeVault = require("node-vault");

const PUBLIC_KEY =
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIPgf3W3x1h4ZkctAncDsjKfa2vhcYIK7rjCDYhQ2Xo9 me@laptop";
const ROLE = {
  key_type: "ca",
  allow_user_certificates: true,
  allowed_users: "ubuntu,root",
  default_user: "ubuntu",
  ttl: "30m",
};

const root = nodeVault();

/** A client without a token, or with that one. */
function client(token = "", options = {}) {
  const made = nodeVault({ ...options });
  made.token = token;
  return made;
}

/** Awaits a refusal with this status, whose message has this text. */
async function refused(promise, status, text) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.response.statusCode, status, error.message);
    assert.ok(error.message.includes(text), error.message);
    return true;
  });
}

async function status() {
  const health = await client().health();
  assert.equal(health.initialized, true);
  assert.equal(health.sealed, false);
  assert.equal((await client().initialized()).initialized, true);
  assert.equal((await client().status()).sealed, false);
}

async function certificateAuthority() {
  await root.write("ssh/config/ca", { key_type: "ed25519" });
  const { data } = await root.read("ssh/config/ca");
  assert.ok(data.public_key.startsWith("ssh-ed25519 "));
  await refused(root.write("ssh/config/ca", {}), 400, "keys are already configured");

  // A 204 has nothing to say.
  assert.equal(await root.write("ssh/roles/ops", ROLE), "");
  assert.equal((await root.read("ssh/roles/ops")).data.ttl, 1800);
  await root.write("ssh/roles/web", { ...ROLE, default_user: "root" });
  for (const noCustomHTTPVerbs of [false, true]) {
    const listed = await client(root.token, { noCustomHTTPVerbs }).list("ssh/roles");
    assert.deepEqual(listed.data.keys, ["ops", "web"]);
  }
  const signed = await root.write("ssh/sign/ops", { public_key: PUBLIC_KEY });
  assert.ok(signed.data.signed_key.startsWith("ssh-ed25519-cert-v01@openssh.com "));
  await refused(
    root.write("ssh/sign/ops", { public_key: PUBLIC_KEY, valid_principals: "eve" }),
    400,
    "eve is not a valid value for valid_principals",
  );
  await refused(root.update("ssh/roles/ops", { ttl: "1h" }), 405, "unsupported operation");

  await root.delete("ssh/roles/web");
  await refused(root.read("ssh/roles/web"), 404, "Status 404");
  assert.deepEqual((await root.list("ssh/roles")).data.keys, ["ops"]);
  assert.ok((await root.help("ssh/roles/ops")).help.includes("roles"));
}

async function mounts() {
  await root.mount({ mount_point: "team/ssh", type: "ssh", description: "of a team" });
  assert.equal((await root.mounts())["team/ssh/"].description, "of a team");
  await root.remount({ from: "team/ssh", to: "crew" });
  await refused(root.list("crew/roles"), 404, "Status 404");
  await root.unmount({ mount_point: "crew" });
  await refused(root.read("crew/config/ca"), 404, "no handler for route");
}

async function logins() {
  await root.addPolicy({
    name: "signer",
    policy: 'path "ssh/sign/ops" { capabilities = ["update"] }',
  });
  await root.enableAuth({ mount_point: "userpass", type: "userpass" });
  await root.write("auth/userpass/users/bob", { password: "hunter2", policies: "signer" });
  const bob = client();
  await refused(bob.userpassLogin({ username: "bob", password: "wrong" }), 400, "invalid username or password");
  const login = await bob.userpassLogin({ username: "bob", password: "hunter2" });
  // node-vault takes the token over.
  assert.equal(bob.token, login.auth.client_token);
  await bob.write("ssh/sign/ops", { public_key: PUBLIC_KEY });
  await refused(bob.read("ssh/roles/ops"), 403, "permission denied");

  const entity = await root.read(`identity/entity/id/${login.auth.entity_id}`);
  assert.equal(entity.data.aliases[0].name, "bob");
  assert.ok((await root.list("identity/entity/id")).data.keys.includes(login.auth.entity_id));

  await root.enableAuth({ mount_point: "approle", type: "approle" });
  await root.addApproleRole({ role_name: "ci", policies: "signer" });
  const role = await root.getApproleRoleId({ role_name: "ci" });
  const secret = await root.getApproleRoleSecret({ role_name: "ci" });
  const machine = client();
  await machine.approleLogin({ role_id: role.data.role_id, secret_id: secret.data.secret_id });
  await machine.write("ssh/sign/ops", { public_key: PUBLIC_KEY });
  await machine.tokenRevokeSelf();
  await refused(machine.tokenLookupSelf(), 403, "permission denied");
}

async function tokens() {
  // node-vault takes over every token that it is given.
  const { auth } = await client(root.token).tokenCreate({ policies: ["signer"], ttl: "1h" });
  const child = client(auth.client_token);
  assert.equal((await child.tokenLookupSelf()).data.accessor, auth.accessor);
  await child.tokenRenewSelf();
  assert.ok((await root.tokenAccessors()).data.keys.includes(auth.accessor));
  await root.tokenRevokeAccessor({ accessor: auth.accessor });
  await refused(child.tokenLookupSelf(), 403, "permission denied");
}

async function wrapping() {
  const wrapped = await root.read("ssh/config/ca", { headers: { "X-Vault-Wrap-TTL": "60s" } });
  assert.equal(wrapped.data, null);
  const unwrapped = await client().unwrap({ token: wrapped.wrap_info.token }).catch(() => null);
  // node-vault sends the token in the body: that takes a token of one's own beside it.
  assert.equal(unwrapped, null);
  const { data } = await root.unwrap({ token: wrapped.wrap_info.token });
  assert.ok(data.public_key.startsWith("ssh-ed25519 "));
  await refused(root.unwrap({ token: wrapped.wrap_info.token }), 400, "wrapping token is not valid");
}

async function main() {
  for (const part of [status, certificateAuthority, mounts, logins, tokens, wrapping]) {
    await part();
    console.log(`node-vault: ${part.name}`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
