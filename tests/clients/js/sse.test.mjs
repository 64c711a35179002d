// Every stream route, read by eventsource-parser: whole, byte by byte and by sevens; its ids; its tails.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createParser } from "eventsource-parser";

import { APPROVE, asked, client, CRM, MODES, URL_ } from "./support.mjs";

const sdk = client();

async function mission() {
  const { tid, rid } = await asked(sdk);
  await sdk.runs.wait(tid, CRM, { command: APPROVE });
  return { tid, rid };
}

function parsed(bytes, size) {
  const frames = [];
  const parser = createParser({ onEvent: (event) => frames.push({ ...event }) });
  const decoder = new TextDecoder();
  for (let at = 0; at < bytes.length; at += size) {
    parser.feed(decoder.decode(bytes.subarray(at, at + size), { stream: true }));
  }
  return frames;
}

async function captured(path, init = {}) {
  const response = await fetch(`${URL_}${path}`, init);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type"), /^text\/event-stream/);
  return new Uint8Array(await response.arrayBuffer());
}

const modes = MODES.map((mode) => `stream_mode=${mode}`).join("&");
const body = (more) => ({ channels: ["values", "updates", "messages", "lifecycle", "input", "checkpoints", "tasks", "custom"], ...more });
const ROUTES = {
  "a run's stream": ({ tid, rid }) => [`/threads/${tid}/runs/${rid}/stream?${modes}`],
  "a thread's events": ({ tid }) => [`/threads/${tid}/stream/events`, "POST"],
  "a mission's events": ({ tid }) => [`/api/colony/missions/${tid}/events`],
};

for (const [name, route] of Object.entries(ROUTES)) {
  test(`${name}: parsers agree however it is cut, ids are unique, a reconnect gives exactly the tail`, async () => {
    const [path, method = "GET"] = route(await mission());
    const init = (from) => {
      const headers = { accept: "text/event-stream", ...(from === undefined ? {} : { "last-event-id": from }) };
      if (method === "GET") return { headers };
      return { method, headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body()) };
    };
    const raw = await captured(path, init(name === "a mission's events" ? undefined : "-1"));
    const whole = parsed(raw, raw.length);
    assert.ok(whole.length > 10);
    for (const size of [1, 7]) assert.deepEqual(parsed(raw, size), whole);
    const ids = whole.map((frame) => frame.id);
    assert.equal(new Set(ids).size, ids.length);
    for (let place = 0; place < whole.length; place += 9) {
      const tail = await captured(path, init(ids[place]));
      assert.deepEqual(parsed(tail, tail.length), whole.slice(place + 1));
    }
  });
}
