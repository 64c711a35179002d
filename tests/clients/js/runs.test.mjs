// Runs: streamed in every mode, interrupted, answered, joined after a disconnect, cancelled.

import assert from "node:assert/strict";
import { test } from "node:test";

import { APPROVE, asked, BEFORE, breaking, client, CRM, INPUT, kept, MODES, nodes, read, refused } from "./support.mjs";

const sdk = client();
const STORED = ["values", "updates", "messages", "messages/metadata", "messages/complete", "custom", "tasks", "checkpoints"];

test("a run streams every mode up to its interrupt, and a resume goes on to the end", async () => {
  const { thread_id: tid } = await sdk.threads.create();
  let told;
  const first = await read(
    sdk.runs.stream(tid, CRM, { input: INPUT, streamMode: MODES, onRunCreated: (run) => (told = run) }),
  );
  const names = first.map((part) => part.event);
  assert.deepEqual([names[0], names.at(-1)], ["metadata", "end"]);
  for (const name of [...STORED, "debug", "events"]) assert.ok(names.includes(name), name);
  assert.equal(new Set(first.map((part) => part.id)).size, first.length);
  assert.deepEqual(nodes(first), BEFORE);
  assert.deepEqual(told, { run_id: first[0].data.run_id, thread_id: tid });

  const values = first.filter((part) => part.event === "values").at(-1).data;
  const state = await sdk.threads.getState(tid);
  assert.deepEqual(values.__interrupt__, state.tasks[0].interrupts);
  assert.ok(values.__interrupt__[0].value.proposals.length > 0);

  const second = await read(sdk.runs.stream(tid, CRM, { command: APPROVE, streamMode: MODES }));
  assert.deepEqual(nodes(second), ["release_gate", "writeback", "finalize"]);
  assert.equal(second.at(-1).event, "end");
  const runs = await sdk.runs.list(tid);
  assert.deepEqual(runs.map((run) => run.status), ["success", "interrupted"]);
  assert.deepEqual(runs.map((run) => run.run_id), [second[0].data.run_id, first[0].data.run_id]);
});

for (const mode of MODES) {
  test(`mode ${mode} alone gives what it gives among the others`, async () => {
    const { tid, rid } = await asked(sdk);
    const whole = await read(sdk.runs.joinStream(tid, rid, { streamMode: MODES, lastEventId: "-1" }));
    const alone = await read(sdk.runs.joinStream(tid, rid, { streamMode: mode, lastEventId: "-1" }));
    const names = new Set(alone.map((part) => part.event));
    assert.ok(names.size > 1, [...names].join());
    const ids = new Set(alone.map((part) => part.id));
    const same = whole.filter((part) => ids.has(part.id) && names.has(part.event));
    assert.deepEqual(alone, same);
  });
}

test("a join after a disconnect has no gap and no repeat, wherever it was cut", async () => {
  const { thread_id: tid } = await sdk.threads.create();
  const { run_id: rid } = await sdk.runs.create(tid, CRM, { input: INPUT });
  const live = [];
  for (let cursor = "-1"; live.at(-1)?.event !== "end"; cursor = live.at(-1).id) {
    live.push(...(await read(sdk.runs.joinStream(tid, rid, { streamMode: MODES, lastEventId: cursor }), 11)));
  }
  const whole = await read(sdk.runs.joinStream(tid, rid, { streamMode: MODES, lastEventId: "-1" }));
  assert.deepEqual(kept(live), whole);
  for (let place = 0; place < whole.length; place += 7) {
    const tail = await read(sdk.runs.joinStream(tid, rid, { streamMode: MODES, lastEventId: whole[place].id }));
    assert.deepEqual(tail, whole.slice(place + 1));
  }
});

test("a stream that the network breaks is taken up again by the client itself", async () => {
  const { thread_id: tid } = await sdk.threads.create();
  const { fetch, seen } = breaking(1_500, 3_001);
  const live = await read(
    client({ fetch }).runs.stream(tid, CRM, { input: INPUT, streamMode: ["updates", "custom"], streamResumable: true }),
  );
  assert.equal(seen.length, 3);
  assert.ok(seen[1].from && seen[2].from, JSON.stringify(seen));
  const rid = live[0].data.run_id;
  const whole = await read(sdk.runs.joinStream(tid, rid, { streamMode: ["updates", "custom"], lastEventId: "-1" }));
  assert.deepEqual(live, whole);
  assert.deepEqual(nodes(live), BEFORE);
  assert.equal((await sdk.runs.list(tid)).length, 1);
});

test("a run is cancelled, its stream ends, and that is said once", async () => {
  const { thread_id: tid } = await sdk.threads.create();
  const { run_id: rid } = await sdk.runs.create(tid, CRM, { input: INPUT });
  await refused(sdk.runs.create(tid, CRM, { input: INPUT }), 409, /under way/);
  const reading = read(sdk.runs.joinStream(tid, rid, { streamMode: "updates", lastEventId: "-1" }));
  await refused(sdk.runs.cancel(tid, rid, true, "rollback"), 409, /rolled back/);
  await sdk.runs.cancel(tid, rid, true);
  assert.equal((await reading).at(-1).event, "end");
  assert.equal((await sdk.runs.get(tid, rid)).status, "interrupted");
  await refused(sdk.runs.cancel(tid, rid), 409, /cancelled/);
});

test("a resume obeys the rules of an approval: hashes, questions, one answer", async () => {
  const { tid } = await asked(sdk);
  const { value, id } = (await sdk.threads.getState(tid)).tasks[0].interrupts[0];
  const said = (sha) => value.proposals.map((p) => ({ proposal_id: p.proposal_id, payload_sha256: sha(p), verdict: "approve" }));
  const wrong = { decision: "approve", decisions: said(() => "0".repeat(64)) };
  await refused(sdk.runs.wait(tid, CRM, { command: { resume: wrong } }), 409, /./);
  await refused(sdk.runs.wait(tid, CRM, { command: { resume: { ["f".repeat(32)]: APPROVE.resume } } }), 409, /./);
  await refused(sdk.runs.create(tid, CRM, { command: { goto: "writeback" } }), 422, /bypass/);
  await refused(sdk.runs.create(tid, CRM, { command: { resume: true } }), 422, /approve \| reject/);
  await refused(sdk.runs.create(tid, CRM, { input: INPUT }), 409, /waits for a person/);
  const right = { decision: "approve", decisions: said((p) => p.payload_sha256) };
  const answers = await Promise.allSettled(
    [1, 2, 3].map(() => client().runs.wait(tid, CRM, { command: { resume: { [id]: right } } })),
  );
  const won = answers.filter((one) => one.status === "fulfilled");
  assert.equal(won.length, 1);
  assert.equal(won[0].value.release.verdict, "approved");
  for (const lost of answers.filter((one) => one.status === "rejected")) assert.equal(lost.reason.status, 409);
});

test("a run without a thread makes one, waits and streams", async () => {
  const values = await sdk.runs.wait(null, CRM, { input: INPUT });
  assert.equal(values.__interrupt__.length, 1);
  const parts = await read(sdk.runs.stream(null, CRM, { input: INPUT, streamMode: "updates" }));
  assert.deepEqual(nodes(parts), BEFORE);
  await refused(sdk.runs.create(null, CRM, { input: { user_goal: "x", inputs: {} } }), 422, /lead_id/);
  await refused(sdk.runs.create(null, "nobody", { input: INPUT }), 404, /assistant/);
});

test("a run that fails says so, and is an error of the client's where it waits", async () => {
  const gone = { ...INPUT, inputs: { lead_id: "L-404" } };
  const { thread_id: tid } = await sdk.threads.create();
  const told = await sdk.runs.wait(tid, CRM, { input: gone, raiseError: false });
  const { status } = await sdk.threads.get(tid);
  if (status === "error") {
    assert.ok(told.__error__.message);
    const parts = await read(sdk.runs.joinStream(tid, (await sdk.runs.list(tid))[0].run_id, { lastEventId: "-1" }));
    assert.ok(parts.some((part) => part.event === "error"));
  } else {
    assert.ok(["idle", "interrupted"].includes(status));
  }
});
