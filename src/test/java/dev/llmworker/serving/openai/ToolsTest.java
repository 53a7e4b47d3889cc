package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// Tools, their calls and reasoning in OpenAI's API.
@Timeout(180)
class ToolsTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TOOL = "{'type':'function','function':{'name':'f'}}";
    private static final String HI = "{'role':'user','content':'hi'}";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private static String chat(String more) {
        return conversation(HI, more);
    }

    private static String conversation(String messages, String more) {
        return ("{'messages':[" + messages + "]" + more + "}")
                .replace('\'', '"')
                .replace('`', '\'');
    }

    private CompletableFuture<HttpResponse<String>> post(String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(CHAT)
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private ScriptedGenerator.Script accepted(String body) throws Exception {
        var answer = post(body);
        var script = engine.next();
        script.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode());
        return script;
    }

    private AnswerParts parts(String more) throws Exception {
        var parts = accepted(chat(more)).request.parts();
        assertNotNull(parts);
        return parts;
    }

    @Test
    void toolsReachTheEngine() throws Exception {
        var parts = parts("""
            ,'tools':[{'type':'function','function':{'name':'get_weather','description':'Says it.','strict':true,
              'parameters':{'type':'object','properties':{'t':{'type':'number','maximum':1.50}}}}},
             {'type':'function','function':{'name':'a.b-c','parameters':{'$ref':'#/$defs/x','$defs':{}}}},
             {'type':'function','function':{'name':'any','parameters':{'type':'object'}}},%s],
            'max_reasoning_tokens':7,'parallel_tool_calls':false\
            """.formatted(TOOL));
        assertEquals(
                new AnswerParts(
                        new ToolUse(
                                List.of(
                                        new Tool(
                                                "get_weather",
                                                "Says it.",
                                                "{\"type\":\"object\",\"properties\":{\"t\":"
                                                        + "{\"type\":\"number\",\"maximum\":1.50}}}",
                                                true),
                                        new Tool(
                                                "a.b-c",
                                                "",
                                                "{\"type\":\"object\",\"$ref\":\"#/$defs/x\",\"$defs\":{},"
                                                        + "\"properties\":{}}",
                                                false),
                                        new Tool(
                                                "any",
                                                "",
                                                "{\"type\":\"object\",\"additionalProperties\":true,\"properties\":{}}",
                                                false),
                                        new Tool("f", "")),
                                ToolChoice.AUTO,
                                false),
                        OptionalInt.of(7)),
                parts);
    }

    @Test
    void theChoiceReachesTheEngine() throws Exception {
        var choices = new LinkedHashMap<String, ToolChoice>();
        choices.put("null", ToolChoice.AUTO);
        choices.put("'auto'", ToolChoice.AUTO);
        choices.put("'none'", ToolChoice.NONE);
        choices.put("'required'", ToolChoice.REQUIRED);
        choices.put(TOOL, new ToolChoice.Named("f"));
        for (var choice : choices.entrySet()) {
            var parts = parts(",'tools':[" + TOOL + "],'tool_choice':" + choice.getKey());
            assertEquals(choice.getValue(), parts.tools().choice(), choice.getKey());
            assertTrue(parts.tools().parallel());
        }
        for (var none : List.of("", ",'tools':[]", ",'tools':null,'tool_choice':'auto'", ",'tool_choice':'none'")) {
            assertEquals(new AnswerParts(ToolUse.NONE, OptionalInt.empty()), parts(none), none);
        }
    }

    @Test
    void callsAndTheirResultsAreTurns() throws Exception {
        var script = accepted(conversation(HI + """
            ,{'role':'assistant','content':null,'reasoning_content':'hm','tool_calls':[
              {'id':'a','type':'function','function':{'name':'f','arguments':'{\\"x\\": 1}'}},
              {'id':'b','type':'function','function':{'name':'g','arguments':''}}]},
             {'role':'tool','tool_call_id':'b','content':[{'type':'text','text':'two'}]},
             {'role':'tool','tool_call_id':'a','name':'other','content':''},
             {'role':'assistant','content':'done','reasoning':'so','tool_calls':[]}\
            """, ",'tools':[" + TOOL + "]"));
        assertEquals(
                List.of(
                        ChatMessage.user("hi"),
                        ChatMessage.assistant(
                                "", "hm", List.of(new ToolCall("a", "f", "{\"x\": 1}"), new ToolCall("b", "g", "{}"))),
                        ChatMessage.toolResult("b", "g", "two"),
                        ChatMessage.toolResult("a", "f", ""),
                        ChatMessage.assistant("done", "so", List.of())),
                ((Prompt.Chat) script.request.prompt()).messages());
    }

    private static String call(String id, String function) {
        return "{'role':'assistant','tool_calls':[{'id':" + id + ",'type':'function','function':" + function + "}]}";
    }

    private static final String CALLS = "messages[0].tool_calls";

    private static Map<String, String> wrongMessages() {
        var wrong = new LinkedHashMap<String, String>();
        wrong.put("{'role':'tool','content':'x'}", "messages[0].tool_call_id is missing; it must be a string");
        wrong.put(
                "{'role':'tool','content':'x','tool_call_id':'a'}",
                "messages[0].tool_call_id is \"a\"; it must be the id of one of the tool_calls before it");
        wrong.put("{'role':'assistant','tool_calls':7}", CALLS + " is 7; it must be a list of objects");
        wrong.put("{'role':'assistant','tool_calls':[7]}", CALLS + "[0] is 7; it must be an object with id, type");
        wrong.put("{'role':'assistant','tool_calls':[{'id':''}]}", CALLS + "[0].id is empty");
        wrong.put(
                "{'role':'assistant','tool_calls':[{'id':'" + "i".repeat(257) + "'}]}",
                CALLS + "[0].id has 257 characters; the limit is 256");
        wrong.put("{'role':'assistant','tool_calls':[{'id':'a'}]}", CALLS + "[0].type is missing");
        wrong.put(
                "{'role':'assistant','tool_calls':[{'id':'a','type':'custom'}]}",
                CALLS + "[0].type is \"custom\", which is not supported; it must be function");
        wrong.put(call("'a'", "null"), CALLS + "[0].function is null; it must be an object with name and arguments");
        wrong.put(call("'a'", "{'name':'f','arguments':{}}"), CALLS + "[0].function.arguments is an object; it must");
        wrong.put(
                call("'a'", "{'name':'f','arguments':'[1]'}"),
                CALLS + "[0].function.arguments is a list; it must be a JSON object");
        wrong.put(call("'a'", "{'name':'f','arguments':'{\\\"a\\\":'}"), CALLS + "[0].function.arguments is not JSON");
        wrong.put(call("'a'", "{'arguments':'{}'}"), CALLS + "[0].function.name is missing");
        wrong.put(
                "{'role':'assistant','tool_calls':[" + String.join(",", Collections.nCopies(129, "{'id':'a'}")) + "]}",
                CALLS + " has 129 entries; the limit is 128");
        wrong.put(
                "{'role':'assistant','tool_calls':["
                        + String.join(
                                ",", Collections.nCopies(2, "{'id':'a','type':'function','function':{'name':'f'}}"))
                        + "]}",
                CALLS + "[1].id is \"a\", which is the id of another call, too");
        wrong.put(
                "{'role':'user','content':'x','tool_calls':[{'id':'a'}]}",
                CALLS + " is there; only the assistant calls tools");
        wrong.put("{'role':'assistant','content':'x','reasoning_content':7}", "messages[0].reasoning_content is 7");
        return wrong;
    }

    @Test
    void whatIsWrongWithAMessageIsNamed() throws Exception {
        for (var wrong : wrongMessages().entrySet()) {
            assertRefused(wrong.getValue(), conversation(wrong.getKey() + "," + HI, ""));
        }
        assertTrue(engine.hasNone());
    }

    private void assertRefused(String message, String body) {
        var answer = post(body).join();
        assertEquals(400, answer.statusCode(), body);
        var shown = answer.body().replace("\\\"", "\"");
        assertTrue(shown.contains("\"message\":\"" + message), () -> body + shown);
        var field = message.substring(0, message.indexOf(' '));
        assertTrue(shown.contains("\"param\":\"" + field), () -> field + shown);
    }

    private static String tool(String function) {
        return ",'tools':[{'type':'function','function':" + function + "}]";
    }

    private static Map<String, String> wrongTools() {
        var name = "tools[0].function.name";
        var names = "it must be 1 to 128 letters of ASCII, digits, underscores, hyphens or dots";
        var wrong = new LinkedHashMap<String, String>();
        wrong.put(",'tools':7", "tools is 7; it must be a list of objects");
        wrong.put(",'tools':{'a':7}", "tools is an object; it must be a list of objects");
        wrong.put(",'tools':[7]", "tools[0] is 7; it must be an object with type and function");
        wrong.put(",'tools':[{}]", "tools[0].type is missing; it must be a string");
        wrong.put(",'tools':[{'type':'web_search'}]", "tools[0].type is \"web_search\", which is not supported; it");
        wrong.put(",'tools':[{'type':'function'}]", "tools[0].function is null; it must be an object with a name");
        wrong.put(tool("{}"), name + " is missing; it must be a string");
        wrong.put(tool("{'name':'a b'}"), name + " is \"a b\"; " + names);
        wrong.put(tool("{'name':'é'}"), name + " is \"é\"; " + names);
        wrong.put(tool("{'name':'" + "n".repeat(129) + "'}"), name + " is \"" + "n".repeat(40) + "…\"; " + names);
        wrong.put(tool("{'name':'f','description':7}"), "tools[0].function.description is 7; it must be a string");
        wrong.put(tool("{'name':'f','strict':'yes'}"), "tools[0].function.strict is \"yes\"; it must be true or false");
        wrong.put(tool("{'name':'f','parameters':7}"), "tools[0].function.parameters is 7; it must be a JSON schema");
        wrong.put(
                tool("{'name':'f','parameters':{'type':'string'}}"),
                "tools[0].function.parameters.type is \"string\"; it must be object");
        wrong.put(
                ",'tools':[" + TOOL + "," + TOOL + "]",
                "tools[1].function.name is \"f\", which is the name of another tool, too");
        wrong.put(
                ",'tools':[" + String.join(",", Collections.nCopies(129, TOOL)) + "]",
                "tools has 129 entries; the limit is 128");
        var choice = ",'tools':[" + TOOL + "],'tool_choice':";
        wrong.put(choice + "'any'", "tool_choice is \"any\"; it must be auto, none, required, or {");
        wrong.put(choice + "7", "tool_choice is 7; it must be auto");
        wrong.put(choice + "{'type':'allowed_tools'}", "tool_choice.type is \"allowed_tools\", which is not supported");
        wrong.put(choice + "{'type':'function'}", "tool_choice.function is null; it must be an object with a name");
        wrong.put(
                choice + TOOL.replace("'f'", "'g'"),
                "tool_choice.function.name is \"g\", which is not the name of one of the tools");
        wrong.put(",'tool_choice':'required'", "tool_choice is \"required\", which needs tools");
        wrong.put(",'tool_choice':" + TOOL, "tool_choice.function.name is \"f\", which is not the name of one");
        wrong.put(choice + "'auto','parallel_tool_calls':1", "parallel_tool_calls is 1; it must be true or false");
        wrong.put(
                choice + "'required','min_tokens':3",
                "min_tokens and a tool_choice that requires a call are both there");
        wrong.put(
                choice + "'required','ignore_eos':true",
                "ignore_eos and a tool_choice that requires a call are both there");
        wrong.put(",'functions':[{'name':'f'}]", "functions is not supported");
        wrong.put(",'function_call':{'name':'f'}", "function_call is not supported");
        wrong.put(",'max_reasoning_tokens':-1", "max_reasoning_tokens is -1; it must be at least 0");
        return wrong;
    }

    @Test
    void whatIsWrongWithAToolIsNamed() throws Exception {
        for (var wrong : wrongTools().entrySet()) {
            assertRefused(wrong.getValue(), chat(wrong.getKey()));
        }
        assertTrue(engine.hasNone());
    }

    private void answerWithCalls() throws Exception {
        engine.next()
                .emit(new AnswerPart.Reasoning("hm"))
                .emit(new AnswerPart.Reasoning("m"), new AnswerPart.CallStart(0, "call_a", "f"))
                .emit(new AnswerPart.CallArguments(0, "{\"x\""))
                .emit(new AnswerPart.CallArguments(0, ":1}"), new AnswerPart.CallStart(1, "call_b", "g"))
                .finish(FinishReason.TOOL_CALLS, 2, new AnswerPart.CallArguments(1, "{}"));
    }

    @Test
    void callsAreInTheMessage() throws Exception {
        var answer = post(chat(",'tools':[" + TOOL + "]"));
        answerWithCalls();
        var body = Events.json(answer.join().body());
        assertEquals(
                "[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"refusal\":null,"
                        + "\"reasoning_content\":\"hmm\",\"tool_calls\":["
                        + "{\"id\":\"call_a\",\"type\":\"function\",\"function\":"
                        + "{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}},"
                        + "{\"id\":\"call_b\",\"type\":\"function\",\"function\":"
                        + "{\"name\":\"g\",\"arguments\":\"{}\"}}]},"
                        + "\"logprobs\":null,\"finish_reason\":\"tool_calls\"}]",
                body.get("choices").toString());
        assertEquals(
                2, body.at("/usage/completion_tokens_details/reasoning_tokens").asInt());
    }

    @Test
    void callsAreStreamedInPieces() throws Exception {
        var response = Events.open(worker, CHAT, chat(",'tools':[" + TOOL + "],'stream':true"));
        answerWithCalls();
        var data = Events.data(response);
        assertEquals("[DONE]", data.removeLast());
        var deltas = new ArrayList<String>();
        JsonNode last = null;
        for (var event : data) {
            last = Events.json(event).get("choices").get(0);
            deltas.add(last.get("delta").toString());
        }
        assertEquals(
                List.of(
                        "{\"role\":\"assistant\",\"content\":\"\"}",
                        "{\"reasoning_content\":\"hm\"}",
                        "{\"reasoning_content\":\"m\"}",
                        "{\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"type\":\"function\",\"function\":"
                                + "{\"name\":\"f\",\"arguments\":\"\"}}]}",
                        "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"x\\\"\"}}]}",
                        "{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]}",
                        "{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"type\":\"function\",\"function\":"
                                + "{\"name\":\"g\",\"arguments\":\"\"}}]}",
                        "{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{}\"}}]}",
                        "{}"),
                deltas);
        assertEquals("tool_calls", last == null ? "" : last.get("finish_reason").asText());
    }

    @Test
    void textBesideCallsIsContentAndAnAnswerWithoutThemIsAsBefore() throws Exception {
        var answer = post(chat(",'tools':[" + TOOL + "]"));
        engine.next()
                .emit(new AnswerPart.Content("Let me see."))
                .emit(new AnswerPart.CallStart(0, "call_a", "f"), new AnswerPart.CallArguments(0, "{}"))
                .finish(FinishReason.TOOL_CALLS);
        assertEquals(
                "Let me see.",
                Events.json(answer.join().body())
                        .at("/choices/0/message/content")
                        .asText());
        answer = post(chat(",'tools':[" + TOOL + "]"));
        engine.next().finish(FinishReason.LENGTH, 0, new AnswerPart.Content("<tool"));
        var message = Events.json(answer.join().body()).at("/choices/0/message");
        assertEquals("<tool", message.get("content").asText());
        assertFalse(message.has("tool_calls") || message.has("reasoning_content"), message.toString());
    }
}
