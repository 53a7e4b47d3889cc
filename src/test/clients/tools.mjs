// OpenAI's client for JavaScript, and the AI SDK, with tools.
// usage: node tools.mjs BASE_URL SCRIPTED_URL   of a worker with a real model, and of testing.ScriptedWorker. NODE_MODULES names
// the folder with openai, ai, @ai-sdk/openai-compatible and zod. Prints what failed and exits 1.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [real, scripted] = process.argv.slice(2);
const modules = createRequire(path.join(process.env.NODE_MODULES ?? process.cwd(), "any.js"));
const load = name => import(pathToFileURL(modules.resolve(name)).href);
const { default: OpenAI } = await load("openai");
const { generateText, stepCountIs, streamText, tool } = await load("ai");
const { createOpenAICompatible } = await load("@ai-sdk/openai-compatible");
const { z } = await load("zod");

const CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>';
const ADD = {
  type: "function",
  function: {
    name: "add",
    parameters: {
      type: "object",
      properties: { a: { type: "integer", minimum: 0, maximum: 99 }, b: { type: "integer", minimum: 0, maximum: 99 } },
      required: ["a", "b"],
      additionalProperties: false,
    },
  },
};

function assertAdds(call) {
  assert.equal(call.function.name, "add");
  const { a, b } = JSON.parse(call.function.arguments);
  assert.ok(Number.isInteger(a) && Number.isInteger(b) && a <= 99 && b <= 99, call.function.arguments);
}

async function openai() {
  const client = new OpenAI({ baseURL: real, apiKey: "unused", maxRetries: 0 });
  const model = (await client.models.list()).data[0].id;
  const request = {
    model, messages: [{ role: "user", content: "Add 2 and 3." }], tools: [ADD], tool_choice: "required",
    parallel_tool_calls: false, max_completion_tokens: 100, temperature: 0,
  };
  const whole = (await client.chat.completions.create(request)).choices[0];
  assert.equal(whole.finish_reason, "tool_calls");
  assertAdds(whole.message.tool_calls[0]);
  const streamed = (await client.chat.completions.stream(request).finalChatCompletion()).choices[0];
  assertAdds(streamed.message.tool_calls[0]);
  assert.equal(streamed.message.tool_calls[0].function.arguments, whole.message.tool_calls[0].function.arguments);

  // The client's own loop, with a model that decides itself.
  const calls = [];
  const runner = new OpenAI({ baseURL: scripted, apiKey: "unused", maxRetries: 0 }).chat.completions.runTools({
    model: "scripted",
    messages: [{ role: "user", content: "SAY I add.\n" + CALL }],
    tools: [{ ...ADD, function: { ...ADD.function, parse: JSON.parse, function: ({ a, b }) => { calls.push([a, b]); return String(a + b); } } }],
  });
  assert.equal(await runner.finalContent(), "The tool says: 5");
  assert.deepEqual(calls, [[2, 3]]);
}

async function aiSdk() {
  const model = createOpenAICompatible({ name: "worker", baseURL: scripted, apiKey: "unused", includeUsage: true })("scripted");
  const calls = [];
  const options = {
    model,
    prompt: "SAY <think>\nHm.\n</think>\n\nI add.\n" + CALL,
    tools: {
      add: tool({
        description: "Adds.",
        inputSchema: z.object({ a: z.number().int(), b: z.number().int() }),
        execute: async ({ a, b }) => { calls.push([a, b]); return String(a + b); },
      }),
    },
    stopWhen: stepCountIs(3),
    maxRetries: 0,
  };
  const whole = await generateText(options);
  assert.equal(whole.text, "The tool says: 5");
  assert.equal(whole.steps[0].reasoningText.trim(), "Hm.");
  assert.ok(whole.totalUsage.totalTokens > 0);
  const streamed = streamText(options);
  let text = "";
  for await (const piece of streamed.textStream) text += piece;
  assert.ok(text.endsWith("The tool says: 5"), text);
  assert.deepEqual(calls, [[2, 3], [2, 3]]);
}

for (const [name, test] of Object.entries({ openai, aiSdk })) {
  try {
    await test();
    console.log("ok      " + name);
  } catch (error) {
    console.log("FAILED  " + name + "\n" + error.stack);
    process.exitCode = 1;
  }
}
