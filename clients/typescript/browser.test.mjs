// The built page in a browser, against a running Colony of another origin.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { chromium } from "playwright-core";

const { COLONY_URL, COLONY_KEY, PAGE_PORT, CHROMIUM = "/usr/bin/chromium" } = process.env;
const ORIGIN = `http://127.0.0.1:${PAGE_PORT}`;
const DIST = new URL("dist/", import.meta.url);
let server, browser, page;
const went = [];

before(async () => {
  server = createServer(async (request, response) => {
    const name = request.url === "/main.js" ? "main.js" : "index.html";
    response.setHeader("content-type", name.endsWith("js") ? "text/javascript" : "text/html; charset=utf-8");
    response.end(await readFile(new URL(name, DIST)));
  });
  await new Promise((done) => server.listen(Number(PAGE_PORT), "127.0.0.1", done));
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-background-networking"] });
  page = await browser.newPage();
  page.setDefaultTimeout(60_000);
  page.on("request", (request) => went.push(new URL(request.url()).origin));
  page.on("pageerror", (error) => assert.fail(error));
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function enter() {
  await page.getByLabel("Colony at").fill(COLONY_URL);
  await page.getByLabel("Key").fill(COLONY_KEY);
  await page.getByRole("button", { name: "Enter" }).click();
}

const status = (words) => page.getByRole("status").filter({ hasText: words }).waitFor();

test("a mission is begun on the page, followed, approved there, and seen to its end", async () => {
  await page.goto(ORIGIN);
  await enter();
  await page.getByLabel("Lead").fill("L-1");
  await page.getByRole("button", { name: "Begin the mission" }).click();
  await status("at work");
  await page.getByRole("listitem").filter({ hasText: "planner" }).waitFor();
  await status("waits for a person");
  const gate = page.getByRole("region", { name: "To be approved" });
  assert.match(await gate.innerText(), /note on lead L-1, risk low/);
  assert.match(await gate.innerText(), /from what a customer wrote/);
  assert.match(await page.getByRole("region", { name: "Result" }).innerText(), /Northgate/);
  const thread = new URL(page.url()).hash.slice("#thread=".length);
  assert.equal((await mission(thread)).status, "awaiting_approval");

  await page.getByRole("button", { name: "Approve" }).click();
  await status("completed");
  await page.getByRole("listitem").filter({ hasText: "finalize" }).waitFor();
  assert.equal(await gate.count(), 0);
  assert.equal((await mission(thread)).status, "completed");

  // Whoever comes back to the page sees the mission as it stands.
  await page.reload();
  await enter();
  await status("completed");
  assert.match(await page.getByRole("region", { name: "Result" }).innerText(), /Northgate/);
  assert.equal(await page.getByRole("alert").count(), 0);
});

test("a question that was open is there for who comes back, and may be turned down", async () => {
  await page.goto("about:blank");
  await page.goto(ORIGIN);
  await enter();
  await page.getByLabel("Lead").fill("L-1");
  await page.getByRole("button", { name: "Begin the mission" }).click();
  await status("waits for a person");
  const thread = new URL(page.url()).hash.slice("#thread=".length);
  await page.reload();
  await enter();
  await status("waits for a person");
  await page.getByRole("button", { name: "Reject" }).click();
  await status("rejected");
  assert.equal((await mission(thread)).status, "rejected");
});

test("a page of another origin may read where a stream can be had again, and calls nobody else", async () => {
  const told = await page.evaluate(async ([url, key]) => {
    const headers = { "content-type": "application/json", "x-api-key": key };
    const body = JSON.stringify({ assistant_id: "crm_lead_intelligence", input: { user_goal: "What next?", inputs: { lead_id: "L-1" } } });
    const response = await fetch(`${url}/runs/stream`, { method: "POST", headers, body });
    await response.body.cancel();
    return [response.status, response.headers.get("location"), response.headers.get("content-location")];
  }, [COLONY_URL, COLONY_KEY]);
  assert.equal(told[0], 200);
  assert.match(told[1], /^\/threads\/[^/]+\/runs\/[^/]+\/stream/);
  assert.match(told[2], /^\/runs\/[^/]+$/);
  assert.deepEqual(new Set(went.filter((origin) => origin !== "null")), new Set([ORIGIN, new URL(COLONY_URL).origin]));
});

async function mission(id) {
  const response = await fetch(`${COLONY_URL}/api/colony/missions/${id}`, { headers: { "x-api-key": COLONY_KEY } });
  assert.equal(response.status, 200);
  return response.json();
}
