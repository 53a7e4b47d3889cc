// Anthropic's client for JavaScript.
// usage: node messages.mjs URL SCRIPTED_URL   of a worker with a real model, and of testing.ScriptedWorker. NODE_MODULES names the
// folder with @anthropic-ai/sdk. Prints what failed and exits 1.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [real, scripted] = process.argv.slice(2);
const modules = createRequire(path.join(process.env.NODE_MODULES ?? process.cwd(), "any.js"));
const { default: Anthropic } = await import(pathToFileURL(modules.resolve("@anthropic-ai/sdk")).href);
const client = baseURL => new Anthropic({ baseURL, apiKey: "unused", maxRetries: 0 });

const CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>';
const ADD = {
  name: "add",
  input_schema: {
    type: "object",
    properties: { a: { type: "integer", minimum: 0, maximum: 99 }, b: { type: "integer", minimum: 0, maximum: 99 } },
    required: ["a", "b"],
    additionalProperties: false,
  },
};
const all = usage => usage.input_tokens + usage.cache_read_input_tokens;

async function realModel() {
  const anthropic = client(real);
  const model = (await anthropic.models.list()).data[0].id;
  const request = { model, max_tokens: 24, temperature: 0, system: "You are brief.", messages: [{ role: "user", content: "Name a colour." }] };
  const whole = await anthropic.messages.create(request);
  assert.equal(whole.content[0].type, "text");
  const stream = anthropic.messages.stream(request);
  let text = "";
  stream.on("text", piece => { text += piece; });
  const streamed = await stream.finalMessage();
  assert.equal(text, whole.content[0].text);
  assert.equal(streamed.content[0].text, text);
  assert.equal(streamed.stop_reason, whole.stop_reason);
  const { max_tokens, temperature, ...prompt } = request;
  assert.equal((await anthropic.messages.countTokens(prompt)).input_tokens, all(whole.usage));

  const calling = { ...request, max_tokens: 100, tools: [ADD], tool_choice: { type: "any", disable_parallel_tool_use: true } };
  const called = await anthropic.messages.create(calling);
  assert.equal(called.stop_reason, "tool_use");
  const { a, b } = called.content[0].input;
  assert.ok(Number.isInteger(a) && Number.isInteger(b) && a <= 99 && b <= 99, JSON.stringify(called));
  assert.deepEqual((await anthropic.messages.stream(calling).finalMessage()).content[0].input, called.content[0].input);
}

async function scriptedModel() {
  const anthropic = client(scripted);
  const messages = [{ role: "user", content: "SAY <think>\nHm.\n</think>\n\nI add.\n" + CALL }];
  const request = { model: "scripted", max_tokens: 4000, tools: [ADD], thinking: { type: "enabled", budget_tokens: 1024 } };
  const turn = await anthropic.messages.stream({ ...request, messages }).finalMessage();
  assert.deepEqual(turn.content.map(block => block.type), ["thinking", "text", "tool_use"]);
  assert.equal(turn.content[0].thinking.trim(), "Hm.");
  assert.deepEqual(turn.content[2].input, { a: 2, b: 3 });
  messages.push({ role: "assistant", content: turn.content });
  messages.push({ role: "user", content: [{ type: "tool_result", tool_use_id: turn.content[2].id, content: "5" }] });
  const end = await anthropic.messages.create({ ...request, messages });
  assert.equal(end.content[0].text, "The tool says: 5");
  assert.equal(end.stop_reason, "end_turn");
  await assert.rejects(anthropic.messages.create({ ...request, model: "claude", messages }), Anthropic.NotFoundError);
  await assert.rejects(anthropic.messages.create({ ...request, max_tokens: -1, messages }), Anthropic.BadRequestError);
}

for (const [name, test] of Object.entries({ realModel, scriptedModel })) {
  try {
    await test();
    console.log("ok      " + name);
  } catch (error) {
    console.log("FAILED  " + name + "\n" + error.stack);
    process.exitCode = 1;
  }
}
