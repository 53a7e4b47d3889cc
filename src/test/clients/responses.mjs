// OpenAI's client for JavaScript, by the API of responses.
// usage: node responses.mjs URL SCRIPTED_URL   of a worker with a real model, and of testing.ScriptedWorker. NODE_MODULES names the
// folder with openai. Prints what failed and exits 1.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [real, scripted] = process.argv.slice(2);
const modules = createRequire(path.join(process.env.NODE_MODULES ?? process.cwd(), "any.js"));
const { default: OpenAI } = await import(pathToFileURL(modules.resolve("openai")).href);
const client = url => new OpenAI({ baseURL: url + "/v1", apiKey: "unused", maxRetries: 0 });

const CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>';
const ADD = {
  type: "function",
  name: "add",
  strict: true,
  parameters: {
    type: "object",
    properties: { a: { type: "integer", minimum: 0, maximum: 99 }, b: { type: "integer", minimum: 0, maximum: 99 } },
    required: ["a", "b"],
    additionalProperties: false,
  },
};

async function realModel() {
  const openai = client(real);
  const model = (await openai.models.list()).data[0].id;
  const request = { model, max_output_tokens: 24, temperature: 0, instructions: "You are brief.", input: "Name a colour." };
  const whole = await openai.responses.create(request);
  assert.ok(whole.output_text);
  let text = "";
  let last;
  for await (const event of await openai.responses.create({ ...request, stream: true })) {
    if (event.type === "response.output_text.delta") text += event.delta;
    last = event;
  }
  assert.equal(text, whole.output_text);
  assert.equal(last.response.status, whole.status);
  const stream = openai.responses.stream(request);
  assert.equal((await stream.finalResponse()).output_text, text);

  const calling = { ...request, max_output_tokens: 100, tools: [ADD], tool_choice: "required", parallel_tool_calls: false };
  const called = await openai.responses.create(calling);
  const { a, b } = JSON.parse(called.output[0].arguments);
  assert.ok(Number.isInteger(a) && Number.isInteger(b) && a <= 99 && b <= 99, JSON.stringify(called));
}

async function scriptedModel() {
  const openai = client(scripted);
  const request = { model: "scripted", tools: [ADD] };
  const turn = await openai.responses.stream({ ...request, input: "SAY <think>\nHm.\n</think>\n\nI add.\n" + CALL }).finalResponse();
  assert.deepEqual(turn.output.map(item => item.type), ["reasoning", "message", "function_call"]);
  const result = { type: "function_call_output", call_id: turn.output[2].call_id, output: "5" };
  const end = await openai.responses.create({ ...request, previous_response_id: turn.id, input: [result] });
  assert.equal(end.output_text, "The tool says: 5");
  // Clients that store responses refer to their items.
  const reference = { type: "item_reference", id: turn.output[2].id };
  const referred = await openai.responses.create({ ...request, input: [reference, result] });
  assert.equal(referred.output_text, "The tool says: 5");
  await assert.rejects(openai.responses.create({ ...request, model: "gpt", input: "x" }), OpenAI.NotFoundError);
  await assert.rejects(openai.responses.create({ ...request, input: "x", background: true }), OpenAI.BadRequestError);
}

async function webSocket() {
  const { ResponsesWS } = await import(pathToFileURL(modules.resolve("openai/resources/responses/ws")).href);
  const socket = new ResponsesWS(client(scripted));
  const events = socket.stream();
  async function ends(count) {
    const found = {};
    while (true) {
      // A loop over the events would end them when it is left.
      const { value: event, done } = await events.next();
      assert.ok(!done && event.type !== "error", String(event?.error));
      const message = event.type === "message" ? event.message : {};
      if (message.type === "response.completed") {
        found[message.stream_id] = message.response;
        if (--count === 0) return found;
      }
    }
  }
  const create = (stream_id, input, more) =>
    socket.send({ type: "response.create", model: "scripted", store: false, stream_id, input, ...more });
  const text = response => response.output[0].content[0].text;
  try {
    create("a", "SAY one");
    create("b", "SAY two");
    const both = await ends(2);
    assert.equal(text(both.a) + text(both.b), "onetwo");
    create("a", "SAY three", { previous_response_id: both.a.id });
    const next = await ends(1);
    assert.equal(next.a.previous_response_id, both.a.id);
  } finally {
    socket.close();
  }
}

for (const [name, test] of Object.entries({ realModel, scriptedModel, webSocket })) {
  try {
    await test();
    console.log("ok      " + name);
  } catch (error) {
    console.log("FAILED  " + name + "\n" + error.stack);
    process.exitCode = 1;
  }
}
