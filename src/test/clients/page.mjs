// The page at / in a real Chromium, against a running worker with a model.
// usage: node page.mjs URL [FOLDER]   where FOLDER gets screenshots; CHROMIUM names the browser, NODE_MODULES the folder
// with playwright-core and axe-core. Prints what failed and exits 1.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [base, folder] = process.argv.slice(2);
const modules = createRequire(path.join(process.env.NODE_MODULES ?? process.cwd(), "any.js"));
const { chromium } = modules("playwright-core");
const axe = readFileSync(modules.resolve("axe-core/axe.min.js"), "utf8");
const SECONDS = 1000;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
if (folder) mkdirSync(folder, { recursive: true });

/**
 * A page of its own, which fails its test where something goes to the console or to another host. With bypassCSP the
 * page's policy is off, so that axe can be put in.
 */
async function open(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(120 * SECONDS);
  page.complaints = [];
  page.on("console", message => {
    if (["error", "warning"].includes(message.type())) page.complaints.push(message.text());
  });
  page.on("pageerror", error => page.complaints.push(String(error)));
  page.on("request", sent => {
    const url = new URL(sent.url());
    if (url.protocol !== "data:" && url.host !== new URL(base).host) page.complaints.push("asked " + url);
  });
  await page.goto(base + "/");
  await page.locator("#state", { hasText: "ready" }).waitFor({ timeout: 120 * SECONDS });
  return page;
}

async function shot(page, name) {
  if (folder) await page.screenshot({ path: path.join(folder, name + ".png") });
}

async function ended(page) {
  await page.waitForFunction(() => document.querySelectorAll(".turn.open").length === 0, null, { timeout: 180 * SECONDS });
}

function answers(page) {
  return page.locator(".turn.assistant > p.answer");
}

async function accessible(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  assert.deepEqual(violations.map(found => `${found.id}: ${found.nodes.map(node => node.html).join(" ")}`), [], where);
}

async function setting(page, label, value) {
  await page.evaluate(() => { document.querySelector("details").open = true; });
  await page.getByLabel(label, { exact: true }).fill(value);
}

const tests = {
  async "an answer is streamed as it is written, by keyboard alone"() {
    const page = await open();
    assert.equal(await page.evaluate(() => document.activeElement.id), "prompt", "one can type at once");
    await setting(page, "Temperature", "0");
    // More than the page shows in a few of its frames.
    await setting(page, "Max tokens", "200");
    await page.evaluate(() => {
      window.lengths = [];
      new MutationObserver(() => {
        const last = [...document.querySelectorAll(".turn.assistant")].at(-1);
        if (last) window.lengths.push(last.textContent.length);
      }).observe(document.querySelector("#conversation"), { childList: true, subtree: true, characterData: true });
    });
    await page.getByLabel("Your message").focus();
    await page.keyboard.type("Tell me about");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("load balancing");
    assert.equal(await page.getByLabel("Your message").inputValue(), "Tell me about\nload balancing");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => new Set(window.lengths).size > 3);
    await shot(page, "streaming");
    await ended(page);
    const lengths = await page.evaluate(() => [...new Set(window.lengths)]);
    assert.ok(lengths.length > 5, "the text grew in " + lengths.length + " steps");
    assert.ok((await answers(page).innerText()).length > 40, "the whole answer is there");
    assert.match(await page.locator("#speed").innerText(), /^\d+ tokens · first after \d+ ms · [\d.]+ tokens\/s$/);
    await page.waitForFunction(() => Number(document.querySelector("#requests").textContent) >= 1);
    assert.match(await page.locator("#connections").innerText(), /^[1-9]/);
    assert.notEqual(await page.locator("#model").innerText(), "");
    await shot(page, "answered");
    return page;
  },

  async "what was said before is part of the next question"() {
    const page = await open();
    await setting(page, "Temperature", "0");
    await setting(page, "Max tokens", "40");
    const sent = [];
    page.on("websocket", socket => socket.on("framesent", frame => sent.push(JSON.parse(frame.payload))));
    for (const text of ["My name is Ada. Say hello to me.", "What is my name?"]) {
      await page.getByLabel("Your message").fill(text);
      await page.getByRole("button", { name: "Send" }).click();
      await ended(page);
    }
    assert.equal(await answers(page).count(), 2);
    assert.deepEqual(sent[1].messages.map(message => message.role), ["user", "assistant", "user"]);
    assert.notEqual(await answers(page).nth(1).innerText(), "");
    assert.equal(await page.locator("#alert").innerText(), "");
    await page.getByRole("button", { name: "New conversation" }).click();
    assert.equal(await answers(page).count(), 0);
    return page;
  },

  async "Escape and the button stop an answer, and the worker stops too"() {
    const page = await open();
    await setting(page, "Max tokens", "1500");
    // A story that is drawn, or goes on from another, may be over after three tokens.
    await setting(page, "Temperature", "0");
    for (const way of ["key", "button"]) {
      await page.getByLabel("Your message").fill("Write a very long story about a ship and its crew.");
      await page.keyboard.press("Enter");
      await page.waitForFunction(() => [...document.querySelectorAll(".turn.open p")].at(-1)?.textContent.length > 20);
      if (way === "key") await page.keyboard.press("Escape");
      else await page.getByRole("button", { name: "Stop" }).click();
      await ended(page);
      assert.equal(await page.locator(".turn .note").last().innerText(), "stopped");
      assert.equal(await page.evaluate(() => document.activeElement.id), "prompt");
      await page.waitForFunction(() => document.querySelector("#running").textContent === "0", null, { timeout: 10 * SECONDS });
      await page.getByRole("button", { name: "New conversation" }).click();
    }
    const metrics = await (await fetch(base + "/metrics")).text();
    assert.match(metrics, /llmworker_generations_finished_total\{reason="cancelled"\} 2/);
    return page;
  },

  async "what the worker refuses is said, and the message is there again"() {
    const page = await open();
    await setting(page, "Max tokens", "900000");
    await page.getByLabel("Your message").fill("Hello");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "max_tokens is 900000" }).waitFor();
    assert.equal(await page.getByLabel("Your message").inputValue(), "Hello");
    await shot(page, "refused");
    return page;
  },

  async "a screen reader finds names for all, and hears whole sentences"() {
    const page = await open({ bypassCSP: true });
    await page.evaluate(() => { document.querySelector("details").open = true; });
    await accessible(page, "before a question");
    await page.evaluate(() => {
      window.heard = [];
      new MutationObserver(() => window.heard.push(document.querySelector("#said").textContent))
        .observe(document.querySelector("#said"), { childList: true, characterData: true, subtree: true });
    });
    await setting(page, "Temperature", "0");
    await setting(page, "Max tokens", "60");
    await page.getByLabel("Your message").fill("Tell me about load balancing.");
    await page.getByRole("button", { name: "Send" }).click();
    await ended(page);
    const heard = await page.evaluate(() => window.heard);
    assert.ok(heard.length <= 12, heard.length + " announcements for 60 tokens");
    assert.match(heard.at(-1), /60 tokens\.$/);
    await accessible(page, "after an answer");
    for (const scheme of ["dark", "light"]) {
      await page.emulateMedia({ colorScheme: scheme });
      await accessible(page, scheme);
      await shot(page, scheme);
    }
    return page;
  },

  async "it fits a small phone"() {
    const page = await open({ viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true, bypassCSP: true });
    await page.getByLabel("Your message").fill("Name three colours.");
    await page.getByRole("button", { name: "Send" }).tap();
    await ended(page);
    await shot(page, "phone");
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(await wide() <= 320, "nothing is cut off at the side");
    const send = await page.getByRole("button", { name: "Send" }).boundingBox();
    assert.ok(send.height >= 40 && send.y + send.height <= 568, "the button can be reached");
    await page.locator("summary").tap();
    await accessible(page, "phone");
    assert.ok(await wide() <= 320, "nor in the settings");
    await shot(page, "phone-settings");
    return page;
  },

  async "what a model thinks is folded and not sent back"() {
    const page = await open({ bypassCSP: true });
    const sent = [];
    await page.routeWebSocket("**/ws", socket => socket.onMessage(frame => {
      const { id } = JSON.parse(frame);
      sent.push(JSON.parse(frame));
      // The second answer begins in its thoughts, as those of some models do.
      const tokens = [sent.length === 1 ? "<think>" : "", "\nTwo and ", "two.\n</th", "ink>\n\nFo", "ur."];
      tokens.forEach((token, index) => socket.send(JSON.stringify({ id, token, index })));
      socket.send(JSON.stringify({ id, done: true, total_tokens: tokens.length, finish_reason: "stop" }));
    }));
    for (let turn = 0; turn < 2; turn++) {
      await page.getByLabel("Your message").fill("What is 2 + 2?");
      await page.getByRole("button", { name: "Send" }).click();
      await ended(page);
      assert.equal(await answers(page).nth(turn).innerText(), "Four.");
      const folded = page.locator(".turn.assistant .thinking").nth(turn);
      assert.ok(!await folded.getByText("Two and two.").isVisible(), "folded");
      await folded.locator("summary").click();
      assert.equal(await folded.locator("p").innerText(), "Two and two.");
    }
    assert.deepEqual(sent[1].messages.map(message => message.content), ["What is 2 + 2?", "Four.", "What is 2 + 2?"]);
    await accessible(page, "with thoughts");
    await shot(page, "thoughts");
    return page;
  },

  async "calls of tools are shown, and their results are sent"() {
    const page = await open({ bypassCSP: true });
    const sent = [];
    const event = delta => "data: " + JSON.stringify({ choices: [{ index: 0, delta, finish_reason: null }] }) + "\n\n";
    const last = reason => "data: " + JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: reason }] }) + "\n\n"
      + "data: " + JSON.stringify({ choices: [], usage: { completion_tokens: 12 } }) + "\n\ndata: [DONE]\n\n";
    const call = (index, more) => event({ tool_calls: [{ index, ...more }] });
    const called = event({ role: "assistant", content: "" }) + event({ content: null, reasoning_content: "Which ", tool_calls: null })
      + event({ reasoning_content: "order?" })
      + event({ content: "I look.", reasoning_content: null, tool_calls: null }) + call(0, { id: "c1", type: "function", function: { name: "find_order", arguments: "" } })
      + call(0, { function: { arguments: '{"id":' } }) + call(0, { function: { arguments: "7}" } })
      + call(1, { id: "c2", type: "function", function: { name: "clock" } })
      + call(1, { id: null, function: { name: null, arguments: "{}" } }) + call(1, { function: { arguments: null } })
      + last("tool_calls");
    await page.route("**/v1/chat/completions", route => {
      sent.push(route.request().postDataJSON());
      route.fulfill({ contentType: "text/event-stream", body: sent.length === 1 ? called : event({ content: "At noon." }) + last("stop") });
    });
    const tools = ["find_order", "clock"].map(name => ({ type: "function", function: { name, parameters: { type: "object" } } }));
    await setting(page, "Tools", "[");
    await page.getByLabel("Your message").fill("Where is it?");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "Tools must be a JSON list." }).waitFor();
    await setting(page, "Tools", JSON.stringify(tools));
    await page.getByRole("button", { name: "Send" }).click();
    await ended(page);
    assert.equal(await answers(page).innerText(), "I look.");
    assert.ok(!await page.locator(".thinking").getByText("Which order?").isVisible(), "folded");
    assert.deepEqual(await page.locator(".turn .call summary").allInnerTexts(), ["Call of find_order", "Call of clock"]);
    assert.deepEqual(await page.locator(".turn .call p").allInnerTexts(), ['{"id":7}', "{}"]);
    await accessible(page, "with calls");
    await shot(page, "calls");
    for (const [tool, result] of [["find_order", "in Rome"], ["clock", "11:30"]]) {
      await page.getByLabel("Result of " + tool).fill(result);
      await page.keyboard.press("Enter");
    }
    await ended(page);
    assert.equal(await answers(page).nth(1).innerText(), "At noon.");
    await page.getByLabel("Your message").waitFor();
    assert.deepEqual(sent[0].tools, tools);
    assert.deepEqual(sent[1].messages, [
      { role: "user", content: "Where is it?" },
      { role: "assistant", content: "I look.", tool_calls: [
        { id: "c1", type: "function", function: { name: "find_order", arguments: '{"id":7}' } },
        { id: "c2", type: "function", function: { name: "clock", arguments: "{}" } }] },
      { role: "tool", tool_call_id: "c1", content: "in Rome" },
      { role: "tool", tool_call_id: "c2", content: "11:30" },
    ]);
    await page.unroute("**/v1/chat/completions");
    await setting(page, "Max tokens", "900000");
    await page.getByLabel("Your message").fill("Thanks");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "max_tokens is 900000" }).waitFor();
    await page.waitForFunction(() => document.querySelector("#prompt").value === "Thanks");
    page.complaints = page.complaints.filter(text => !text.includes("400"));
    return page;
  },

  async "a connection that breaks is told, and the next message connects anew"() {
    const page = await open();
    await setting(page, "Max tokens", "1500");
    await setting(page, "Temperature", "0");
    await page.getByLabel("Your message").fill("Write a very long story about a ship and its crew.");
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => [...document.querySelectorAll(".turn.open p")].at(-1)?.textContent.length > 20);
    await page.evaluate(() => socket.close(3000));
    await page.getByRole("alert").filter({ hasText: "The connection was lost" }).waitFor();
    await setting(page, "Max tokens", "8");
    await page.getByRole("button", { name: "New conversation" }).click();
    await page.getByLabel("Your message").fill("Hello");
    await page.keyboard.press("Enter");
    await ended(page);
    assert.notEqual(await answers(page).innerText(), "");
    assert.equal(await page.getByRole("alert").innerText(), "");
    return page;
  },

  async "the worker's states are shown"() {
    const context = await browser.newContext();
    const page = await context.newPage();
    let ping = { status: 204 };
    await page.route("**/ping", route => route.fulfill(ping));
    await page.goto(base + "/");
    await page.locator("#state", { hasText: "the model is loading" }).waitFor();
    assert.ok(await page.getByRole("button", { name: "Send" }).isDisabled());
    ping = { status: 503, contentType: "application/json", body: '{"error":"the worker is stopping","code":"draining"}' };
    await page.locator("#state", { hasText: "the worker is stopping" }).waitFor();
    await page.route("**/stats", route => route.fulfill({ status: 401, contentType: "application/json", body: "{}" }));
    await page.unroute("**/ping");
    await page.locator("#state", { hasText: "an API key is required" }).waitFor();
    await page.getByLabel("API key").fill("wrong");
    await page.getByLabel("API key").blur();
    await page.locator("#state", { hasText: "the API key is wrong" }).waitFor();
    await shot(page, "key");
    await page.unroute("**/stats");
    await page.locator("#state", { hasText: "ready" }).waitFor();
    await page.reload();
    assert.equal(await page.getByLabel("API key").inputValue(), "wrong", "kept in the tab");
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
    return page;
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    const page = await test();
    assert.deepEqual(page.complaints ?? [], [], "the browser complains");
    await page.context().close();
    console.log("ok      " + name);
  } catch (error) {
    failed++;
    console.log("FAILED  " + name + "\n" + error.stack);
  }
}
await browser.close();
process.exit(failed ? 1 : 0);
