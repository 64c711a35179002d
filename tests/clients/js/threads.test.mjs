// Threads, their state and history, assistants, and the store.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { APPROVE, asked, client, CRM, refused } from "./support.mjs";

const sdk = client();

test("a thread without a run is kept, found, changed, counted, copied and forgotten", async () => {
  const desk = randomUUID();
  const made = await sdk.threads.create({ metadata: { desk } });
  assert.equal(made.status, "idle");
  await refused(sdk.threads.create({ threadId: made.thread_id }), 409, /./);
  const again = await sdk.threads.create({ threadId: made.thread_id, ifExists: "do_nothing" });
  assert.equal(again.thread_id, made.thread_id);
  const changed = await sdk.threads.update(made.thread_id, { metadata: { more: 7 } });
  assert.deepEqual(changed.metadata, { desk, more: 7 });
  const found = await sdk.threads.search({ metadata: { desk } });
  assert.deepEqual(found.map((one) => one.thread_id), [made.thread_id]);
  assert.equal(await sdk.threads.count({ metadata: { desk } }), 1);
  const copy = await sdk.threads.copy(made.thread_id);
  assert.equal(await sdk.threads.count({ metadata: { desk } }), 2);
  for (const one of [copy, made]) await sdk.threads.delete(one.thread_id);
  await refused(sdk.threads.get(made.thread_id), 404, /./);
});

test("threads are searched by status, sorted and paged", async () => {
  const mine = [await asked(sdk), await asked(sdk)].map(({ tid }) => tid);
  const all = [];
  for (let offset = 0; ; offset += 3) {
    const page = await sdk.threads.search({ status: "interrupted", sortBy: "created_at", sortOrder: "asc", limit: 3, offset });
    all.push(...page);
    if (page.length < 3) break;
  }
  const ids = all.map((one) => one.thread_id);
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(ids.filter((id) => mine.includes(id)), mine);
  assert.ok(all.every((one) => Object.values(one.interrupts).flat().length === 1));
  const lean = await sdk.threads.search({ ids: mine, select: ["thread_id", "status"] });
  assert.deepEqual(lean.map((one) => Object.keys(one).sort()), [["status", "thread_id"], ["status", "thread_id"]]);
});

test("state and history are the mission's checkpoints, and the past is forked, never written", async () => {
  const { tid } = await asked(sdk);
  const state = await sdk.threads.getState(tid);
  assert.deepEqual(state.next, ["release_gate"]);
  await sdk.runs.wait(tid, CRM, { command: APPROVE });
  const history = await sdk.threads.getHistory(tid, { limit: 100 });
  assert.deepEqual(history[0].next, []);
  assert.deepEqual(history.map((one) => one.metadata.step), history.map((_, place) => history.length - 2 - place));
  for (const [place, one] of history.slice(0, -1).entries()) {
    assert.deepEqual(one.parent_checkpoint, history[place + 1].checkpoint);
  }
  const past = history.find((one) => one.next[0] === "aggregator");
  assert.deepEqual(await sdk.threads.getState(tid, past.checkpoint), past);
  assert.deepEqual(await sdk.threads.getState(tid, past.checkpoint.checkpoint_id), past);
  const page = await sdk.threads.getHistory(tid, { limit: 2, before: { configurable: past.checkpoint } });
  assert.deepEqual(page, history.slice(history.indexOf(past) + 1).slice(0, 2));
  await refused(sdk.threads.updateState(tid, { values: { verdict: "release" }, asNode: "reviewer" }), 409, /own steps/);

  const fork = await sdk.runs.create(tid, CRM, { checkpointId: past.checkpoint.checkpoint_id });
  assert.notEqual(fork.thread_id, tid);
  const values = await sdk.runs.join(fork.thread_id, fork.run_id);
  assert.equal(values.__interrupt__.length, 1);
  assert.equal((await sdk.threads.get(fork.thread_id)).metadata.parent_thread_id, tid);
  await refused(sdk.threads.delete(tid), 409, /./);
});

test("assistants are the mission classes", async () => {
  const found = await sdk.assistants.search();
  const crm = found.find((one) => one.name === CRM);
  assert.ok(found.every((one) => one.graph_id === "colony"));
  assert.equal(await sdk.assistants.count(), found.length);
  assert.deepEqual(await sdk.assistants.get(crm.assistant_id), crm);
  const drawn = await sdk.assistants.getGraph(CRM);
  assert.ok(drawn.nodes.some((node) => node.id === "release_gate"));
  const schemas = await sdk.assistants.getSchemas(crm.assistant_id);
  assert.ok(schemas.input_schema.properties.inputs.properties.lead_id);
  await sdk.assistants.getSubgraphs(CRM);
  await refused(sdk.assistants.get("nobody"), 404, /./);
});

test("the store keeps, finds, lists and forgets items", async () => {
  const top = `js-${randomUUID()}`;
  for (const [key, colour] of [["a", "red"], ["b", "blue"], ["c", "red"]]) {
    await sdk.store.putItem([top, "cars"], key, { colour, key });
  }
  await sdk.store.putItem([top, "boats"], "a", { colour: "red" });
  const item = await sdk.store.getItem([top, "cars"], "a");
  assert.deepEqual([item.namespace, item.key, item.value], [[top, "cars"], "a", { colour: "red", key: "a" }]);
  assert.ok(Date.parse(item.createdAt) <= Date.parse(item.updatedAt));
  const red = await sdk.store.searchItems([top], { filter: { colour: "red" } });
  assert.equal(red.items.length, 3);
  const paged = await sdk.store.searchItems([top, "cars"], { limit: 2, offset: 2 });
  assert.equal(paged.items.length, 1);
  const spaces = await sdk.store.listNamespaces({ prefix: [top] });
  assert.deepEqual(spaces.namespaces.map((one) => one.join("/")).sort(), [`${top}/boats`, `${top}/cars`]);
  await sdk.store.deleteItem([top, "cars"], "a");
  assert.equal(await sdk.store.getItem([top, "cars"], "a"), null);
});
