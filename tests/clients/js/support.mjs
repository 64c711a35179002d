// What the suite shares: a client of the version that is asked for, a thread at its interrupt, streams that break.

import assert from "node:assert/strict";

export const URL_ = process.env.COLONY_URL;
export const CRM = "crm_lead_intelligence";
export const INPUT = { user_goal: "What do we know about this lead, and what next?", inputs: { lead_id: "L-1" } };
export const APPROVE = { resume: { decision: "approve" } };
export const MODES = ["values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug", "events"];
export const BEFORE = [
  "admission", "planner", "prompt_master", "librarian", "researcher", "workers", "aggregator", "reviewer", "__interrupt__",
];

const { Client } = await import(process.env.SDK ?? "@langchain/langgraph-sdk");

export function client(more = {}) {
  // Without retries a refusal is seen at once, and what must not be sent twice is not.
  return new Client({ apiUrl: URL_, callerOptions: { maxRetries: 0, ...more } });
}

/** Read a stream to its end, or to as many parts as wanted. */
export async function read(stream, most = Infinity) {
  const parts = [];
  for await (const part of stream) {
    parts.push(part);
    if (parts.length >= most) break;
  }
  return parts;
}

/** Leave out what models said while they said it, which is best effort. */
export const kept = (parts) => parts.filter((part) => !String(part.id ?? "").includes("."));
export const nodes = (parts) => parts.filter((p) => p.event === "updates").map((p) => Object.keys(p.data)[0]);

export async function until(condition, what) {
  for (const deadline = Date.now() + 60_000; !(await condition()); ) {
    assert.ok(Date.now() < deadline, `waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A thread whose mission waits for a person, and its run. */
export async function asked(sdk) {
  const { thread_id: tid } = await sdk.threads.create();
  const { run_id: rid } = await sdk.runs.create(tid, CRM, { input: INPUT });
  await sdk.runs.join(tid, rid);
  return { tid, rid };
}

export async function refused(promise, status, words) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.status, status, error.message);
    assert.match(error.message, words);
    return true;
  });
}

/** A fetch whose first streams break off after so many bytes each, as a network does. */
export function breaking(...after) {
  const seen = [];
  const broken = async (url, init) => {
    const response = await fetch(url, init);
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
    if (isStream) seen.push({ url: String(url), from: new Headers(init?.headers).get("last-event-id") });
    const most = isStream ? after.shift() : undefined;
    if (most === undefined) return response;
    let left = most;
    const cut = new TransformStream({
      transform(chunk, controller) {
        controller.enqueue(chunk.slice(0, left));
        left -= chunk.length;
        if (left <= 0) controller.error(new TypeError("network error"));
      },
    });
    const { headers, status } = response;
    return new Response(response.body.pipeThrough(cut), { headers, status });
  };
  return { fetch: broken, seen };
}
