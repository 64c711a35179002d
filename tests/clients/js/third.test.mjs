// The protocol's third version, as the client's thread streams speak it (version 1 of the package).

import assert from "node:assert/strict";
import { test } from "node:test";

import { client, CRM, INPUT, refused, until } from "./support.mjs";

const sdk = client();
const speaks = typeof sdk.threads.stream === "function";

test("a mission is begun, asked about, answered and ended over thread streams", { skip: !speaks }, async () => {
  const { thread_id: tid } = await sdk.threads.create();
  const stream = sdk.threads.stream(tid, { assistantId: CRM });
  const snapshots = (async () => {
    const seen = [];
    for await (const values of stream.values) seen.push(values);
    return seen;
  })();
  await stream.run.start({ input: INPUT });
  await until(() => stream.interrupted, "the question");
  const [question] = stream.interrupts;
  assert.equal(question.interruptId, (await sdk.threads.getState(tid)).tasks[0].interrupts[0].id);
  assert.ok(question.payload.proposals.length);
  await assert.rejects(
    stream.input.respond({ interrupt_id: "f".repeat(32), namespace: [], response: { decision: "approve" } }),
  );
  await stream.input.respond({ interrupt_id: question.interruptId, namespace: [], response: { decision: "approve" } });
  await until(async () => (await sdk.threads.get(tid)).status === "idle", "the mission to end");
  await stream.close();
  assert.ok((await snapshots).length);
  const { values } = await sdk.threads.getState(tid);
  assert.equal(values.release.verdict, "approved");
  assert.ok(values.result.facts.length);
  await refused(sdk.runs.create(tid, CRM, { input: INPUT }), 409, /completed/);
});
