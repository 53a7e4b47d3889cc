package dev.llmworker.serving.anthropic;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationRequest;
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
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;

/// What the engine gets of a request to `/v1/messages`, and what the client gets of the engine's answer.
@Timeout(180)
class MessagesTest {
    private static final String MESSAGES = "/v1/messages";
    private static final String HI = "{'role':'user','content':'hi'}";
    private static final String TOOL = "{'name':'f','input_schema':{'type':'object'}}";
    private static final String TOOLS = ",'tools':[" + TOOL + "]";

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private static String json(String text) {
        return text.replace('\'', '"').replace('`', '\'');
    }

    private static String body(String more) {
        return conversation(HI, more);
    }

    private static String conversation(String messages, String more) {
        return json("{'model':'scripted','max_tokens':2000,'messages':[" + messages + "]" + more + "}");
    }

    private CompletableFuture<HttpResponse<String>> post(String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(MESSAGES + "?beta=true")
                        .header("anthropic-version", "2023-06-01")
                        .header("anthropic-beta", "some-beta-2025-01-01")
                        .header("x-api-key", "any")
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private GenerationRequest asked(String body) throws Exception {
        var answer = post(body);
        var script = engine.next();
        script.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode(), () -> answer.join().body());
        return script.request;
    }

    private Prompt.Chat prompt(String body) throws Exception {
        return (Prompt.Chat) asked(body).prompt();
    }

    private AnswerParts parts(String more) throws Exception {
        var parts = asked(body(more)).parts();
        assertNotNull(parts);
        return parts;
    }

    @Test
    void blocksAreTurns() throws Exception {
        var prompt = prompt(conversation(
                """
                {'role':'user','content':[{'type':'text','text':'a','cache_control':{'type':'ephemeral'}},
                  {'type':'text','text':'b'}]},
                {'role':'user','content':'c'},
                {'role':'assistant','content':[{'type':'thinking','thinking':'hm','signature':'s'},
                  {'type':'redacted_thinking','data':'xyz'},{'type':'text','text':'I call.'},
                  {'type':'tool_use','id':'t1','name':'f','input':{'x':1.50}},
                  {'type':'tool_use','id':'t2','name':'g','input':{}}]},
                {'role':'user','content':[{'type':'text','text':'go on'},
                  {'type':'tool_result','tool_use_id':'t2','content':[{'type':'text','text':'two'}]},
                  {'type':'tool_result','tool_use_id':'t1','is_error':true,'content':'no'}]},
                {'role':'assistant','content':'done'},
                {'role':'assistant','content':[{'type':'tool_use','id':'t3','name':'f','input':{}}]},
                {'role':'user','content':[{'type':'tool_result','tool_use_id':'t3'}]}""",
                ",'system':[{'type':'text','text':'x-anthropic-billing-header: cch=1;'},{'type':'text','text':'Be'},"
                        + "{'type':'text','text':'kind.'}]"));
        assertEquals(
                List.of(
                        new ChatMessage("system", "Be\nkind."),
                        ChatMessage.user("a\nb\nc"),
                        ChatMessage.assistant(
                                "I call.",
                                "hm",
                                List.of(new ToolCall("t1", "f", "{\"x\":1.50}"), new ToolCall("t2", "g", "{}"))),
                        ChatMessage.toolResult("t2", "g", "two"),
                        ChatMessage.toolResult("t1", "f", "Error: no"),
                        ChatMessage.user("go on"),
                        ChatMessage.assistant("done", "", List.of(new ToolCall("t3", "f", "{}"))),
                        ChatMessage.toolResult("t3", "f", "")),
                prompt.messages());
        assertEquals(
                List.of(new ChatMessage("system", "Be kind."), ChatMessage.user("hi")),
                prompt(body(",'system':'Be kind.'")).messages());
        assertEquals(
                List.of(ChatMessage.user("hi"), new ChatMessage("system", "Now shout."), ChatMessage.user("ho")),
                prompt(conversation(
                                HI + ",{'role':'system','content':'Now shout.'},{'role':'user','content':'ho'}", ""))
                        .messages());
    }

    @Test
    void turnsOfTheSystemBecomeOne() throws Exception {
        assertEquals(
                List.of(new ChatMessage("system", "a\nb\nc"), ChatMessage.user("hi")),
                prompt(conversation(
                                "{'role':'system','content':'b'},{'role':'system','content':'c'}," + HI,
                                ",'system':'a'"))
                        .messages());
    }

    @Test
    void samplingReachesTheEngine() throws Exception {
        var request = asked(body(",'temperature':0.5,'top_p':0.25,'top_k':7,'stop_sequences':['a','','b'],"
                + "'metadata':{'user_id':'u'},'service_tier':'auto','seed':3,'min_p':0.125,'cache_control':null"));
        assertEquals(OptionalInt.of(2000), request.maxTokens());
        assertEquals(0.5f, request.sampling().temperature());
        assertEquals(0.25f, request.sampling().topP());
        assertEquals(7, request.sampling().topK());
        assertEquals(0.125f, request.sampling().minP());
        assertEquals(3, request.sampling().seed());
        assertEquals(List.of("a", "b"), request.stop());
        assertTrue(request.cutsAtContext());
        assertEquals(1, asked(body("")).sampling().temperature());
    }

    @Test
    void toolsReachTheEngine() throws Exception {
        var parts = parts("""
                ,'tools':[{'name':'get','description':'Gets.','strict':true,'type':'custom','eager_input_streaming':true,
                  'input_schema':{'type':'object','properties':{'t':{'type':'number'}}},
                  'cache_control':{'type':'ephemeral'},'allowed_callers':['direct'],'input_examples':[]},""" + TOOL + "],'tool_choice':{'type':'auto','disable_parallel_tool_use':true}");
        assertEquals(
                new ToolUse(
                        List.of(
                                new Tool(
                                        "get",
                                        "Gets.",
                                        "{\"type\":\"object\",\"properties\":{\"t\":{\"type\":\"number\"}}}",
                                        true),
                                new Tool(
                                        "f",
                                        "",
                                        "{\"type\":\"object\",\"additionalProperties\":true,\"properties\":{}}",
                                        false)),
                        ToolChoice.AUTO,
                        false),
                parts.tools());
        var choices = new LinkedHashMap<String, ToolChoice>();
        choices.put("null", ToolChoice.AUTO);
        choices.put("{'type':'auto'}", ToolChoice.AUTO);
        choices.put("{'type':'any'}", ToolChoice.REQUIRED);
        choices.put("{'type':'none'}", ToolChoice.NONE);
        choices.put("{'type':'tool','name':'f'}", new ToolChoice.Named("f"));
        for (var choice : choices.entrySet()) {
            var use = parts(TOOLS + ",'tool_choice':" + choice.getKey()).tools();
            assertEquals(choice.getValue(), use.choice(), choice.getKey());
            assertTrue(use.parallel());
        }
        assertEquals(
                ToolUse.NONE, parts(",'tools':[],'tool_choice':{'type':'auto'}").tools());
    }

    @Test
    void thinkingReachesTheTemplateAndTheEngine() throws Exception {
        var off = Map.<String, Object>of("enable_thinking", false, "thinking", false);
        var on = Map.<String, Object>of("enable_thinking", true, "thinking", true);
        assertThinking(off, OptionalInt.of(0), "");
        assertThinking(off, OptionalInt.of(0), ",'thinking':{'type':'disabled'}");
        assertThinking(on, OptionalInt.of(1024), ",'thinking':{'type':'enabled','budget_tokens':1024}");
        assertThinking(Map.of(), OptionalInt.empty(), ",'thinking':{'type':'adaptive','display':'omitted'}");
        assertThinking(
                Map.of("enable_thinking", true, "thinking", false),
                OptionalInt.of(0),
                ",'chat_template_kwargs':{'enable_thinking':true}");
        for (var effort : Map.of("low", "low", "medium", "medium", "high", "high", "xhigh", "high", "max", "high")
                .entrySet()) {
            assertThinking(
                    Map.of("reasoning_effort", effort.getValue()),
                    OptionalInt.empty(),
                    ",'thinking':{'type':'adaptive'},'output_config':{'effort':'" + effort.getKey() + "'}");
        }
    }

    private void assertThinking(Map<String, Object> variables, OptionalInt budget, String more) throws Exception {
        var request = asked(body(more));
        assertEquals(variables, ((Prompt.Chat) request.prompt()).variables(), more);
        assertNotNull(request.parts());
        assertEquals(budget, request.parts().maxReasoningTokens(), more);
    }

    @Test
    void aFormatReachesTheEngine() throws Exception {
        var schema = "{'type':'json_schema','schema':{'type':'object'}}";
        assertEquals(
                new AnswerFormat.Json("output_config.format.schema", "{\"type\":\"object\"}"),
                asked(body(",'output_config':{'format':" + schema + "}")).format());
        assertEquals(
                new AnswerFormat.Json("output_format.schema", "{\"type\":\"object\"}"),
                asked(body(",'output_format':" + schema)).format());
    }

    @Test
    void reasoningOfOlderTurnsIsClearedAsAsked() throws Exception {
        var turns = """
                {'role':'user','content':'a'},
                {'role':'assistant','content':[{'type':'thinking','thinking':'1'},{'type':'text','text':'A'}]},
                {'role':'user','content':'b'},
                {'role':'assistant','content':[{'type':'thinking','thinking':'2'},
                  {'type':'tool_use','id':'t','name':'f','input':{}}]},
                {'role':'user','content':[{'type':'tool_result','tool_use_id':'t','content':'r'}]},
                {'role':'assistant','content':[{'type':'thinking','thinking':'3'},{'type':'text','text':'B'}]},
                {'role':'user','content':'c'}""";
        // What the system says ends no turn.
        for (var more : List.of("", ",{'role':'system','content':'s'}", ",{'role':'system','content':'s'}," + HI)) {
            assertKept(turns + more);
        }
    }

    private void assertKept(String turns) throws Exception {
        var kept = new LinkedHashMap<String, String>();
        kept.put("", "123");
        kept.put(",'context_management':{'edits':[]}", "123");
        kept.put(edit("'keep':'all'"), "123");
        kept.put(edit("'keep':{'type':'all'}"), "123");
        kept.put(edit("'keep':null"), "23");
        kept.put(edit("'keep':{'type':'thinking_turns','value':1}"), "23");
        kept.put(edit("'keep':{'type':'thinking_turns','value':2}"), "123");
        for (var one : kept.entrySet()) {
            var reasoning = new StringBuilder();
            prompt(conversation(turns, one.getKey())).messages().forEach(turn -> reasoning.append(turn.reasoning()));
            assertEquals(one.getValue(), reasoning.toString(), one.getKey());
        }
    }

    private static String edit(String keep) {
        return ",'context_management':{'edits':[{'type':'clear_thinking_20251015'," + keep + "}]}";
    }

    // --- what is wrong

    private static Map<String, String> wrongFields() {
        var wrong = new LinkedHashMap<String, String>();
        wrong.put(",'temperature':1.5", "temperature is 1.5; it must be from 0.0 to 1.0");
        wrong.put(",'temperature':-1", "temperature is -1; it must be from 0.0 to 1.0");
        wrong.put(",'top_p':2", "top_p is 2; it must be from 0.0 to 1.0");
        wrong.put(",'stop_sequences':[7]", "stop_sequences[0] is 7; it must be a string");
        wrong.put(
                ",'stop_sequences':['1','2','3','4','5','6','7','8','9']",
                "stop_sequences has 9 sequences; the limit is 8");
        wrong.put(",'system':7", "system is 7; it must be a string");
        wrong.put(
                ",'system':[{'type':'image'}]", "system[0].type is \"image\", which is not supported; it must be text");
        wrong.put(",'thinking':{'type':'on'}", "thinking.type is \"on\"; it must be enabled, disabled or adaptive");
        wrong.put(",'thinking':{'type':'enabled'}", "thinking.budget_tokens is missing; it must be a whole number");
        wrong.put(
                ",'thinking':{'type':'enabled','budget_tokens':1023}",
                "thinking.budget_tokens is 1023; it must be at least 1024 and less than max_tokens, which is 2000");
        wrong.put(
                ",'thinking':{'type':'enabled','budget_tokens':2000}",
                "thinking.budget_tokens is 2000; it must be at least 1024 and less than max_tokens, which is 2000");
        for (var type : List.of("adaptive", "disabled")) {
            wrong.put(
                    ",'thinking':{'type':'" + type + "','budget_tokens':1024}",
                    "thinking.budget_tokens needs thinking.type to be enabled");
        }
        wrong.put(",'thinking':{'type':'adaptive','display':'x'}", "thinking.display is \"x\"; it must be summarized");
        wrong.put(",'output_config':{'effort':'huge'}", "output_config.effort is \"huge\"; it must be low, medium");
        wrong.put(",'output_config':{'task_budget':{'total':9}}", "output_config.task_budget is not supported");
        wrong.put(",'output_config':{'format':{'type':'text'}}", "output_config.format is an object; it must be");
        wrong.put(
                ",'output_config':{'format':{'type':'json_schema'}}",
                "output_config.format.schema is null; it must be a JSON schema");
        wrong.put(
                ",'output_config':{'format':{'type':'json_schema','schema':{}}},'response_format':{'type':'json_object'}",
                "output_config.format.schema and response_format are both there; send one of them");
        wrong.put(
                ",'output_config':{'effort':'low'},'reasoning_effort':'high'",
                "reasoning_effort and output_config.effort are both there; send one of them");
        wrong.put(",'container':'c'", "container is not supported");
        wrong.put(",'mcp_servers':[{'url':'x'}]", "mcp_servers is not supported");
        wrong.put(",'fallbacks':[{}]", "fallbacks is not supported");
        wrong.put(",'context_management':{'x':1}", "context_management.x is not supported");
        wrong.put(
                ",'context_management':{'edits':[{'type':'compact_20260112'}]}",
                "context_management.edits[0].type is \"compact_20260112\", which is not supported");
        wrong.put(edit("'keep':7"), "context_management.edits[0].keep is 7; it must be \"all\"");
        wrong.put(",'max_completion_tokens':7", "max_completion_tokens is not supported");
        wrong.put(",'n':2", "n is 2; it must be 1");
        wrong.put(",'logprobs':true", "logprobs is not supported");
        return wrong;
    }

    private static Map<String, String> wrongTools() {
        var wrong = new LinkedHashMap<String, String>();
        var first = ",'tools':[{'name':'f','input_schema':{},";
        wrong.put(",'tools':7", "tools is 7; it must be a list of objects");
        wrong.put(",'tools':[7]", "tools[0] is 7; it must be an object with name and input_schema");
        wrong.put(
                ",'tools':[{'type':'web_search_20250305','name':'web_search'}]",
                "tools[0].type is \"web_search_20250305\", which is not supported; it must be custom");
        wrong.put(",'tools':[{'name':'f'}]", "tools[0].input_schema is missing; it must be a JSON schema");
        wrong.put(",'tools':[{'name':'f','input_schema':7}]", "tools[0].input_schema is 7; it must be a JSON schema");
        wrong.put(",'tools':[{'input_schema':{}}]", "tools[0].name is missing; it must be a string");
        wrong.put(",'tools':[{'name':'a b','input_schema':{}}]", "tools[0].name is \"a b\"; it must be 1 to 128");
        wrong.put(first + "'description':7}]", "tools[0].description is 7; it must be a string");
        wrong.put(first + "'defer_loading':true}]", "tools[0].defer_loading is not supported");
        wrong.put(first + "'input_examples':[{}]}]", "tools[0].input_examples is not supported");
        wrong.put(first + "'allowed_callers':['x']}]", "tools[0].allowed_callers is a list; it must be [\"direct\"]");
        wrong.put(
                ",'tools':[" + TOOL + "," + TOOL + "]",
                "tools[1].name is \"f\", which is the name of another tool, too");
        wrong.put(
                ",'tools':[" + String.join(",", Collections.nCopies(129, TOOL)) + "]",
                "tools has 129 entries; the limit is 128");
        wrong.put(TOOLS + ",'tool_choice':'any'", "tool_choice is \"any\"; it must be an object");
        wrong.put(
                TOOLS + ",'tool_choice':{'type':'x'}", "tool_choice.type is \"x\"; it must be auto, any, tool or none");
        wrong.put(TOOLS + ",'tool_choice':{'name':'f'}", "tool_choice.type is missing; it must be a string");
        wrong.put(TOOLS + ",'tool_choice':{'type':'tool'}", "tool_choice.name is missing; it must be a string");
        wrong.put(
                TOOLS + ",'tool_choice':{'type':'tool','name':'g'}",
                "tool_choice.name is \"g\", which is not the name of one of the tools");
        wrong.put(",'tool_choice':{'type':'any'}", "tool_choice.type is \"any\", which needs tools");
        wrong.put(
                TOOLS + ",'tool_choice':{'type':'auto','disable_parallel_tool_use':1}",
                "tool_choice.disable_parallel_tool_use is 1; it must be true or false");
        wrong.put(TOOLS + ",'parallel_tool_calls':false", "parallel_tool_calls is not supported");
        return wrong;
    }

    private static Map<String, String> wrongMessages() {
        var first = "messages[0].content[0]";
        var wrong = new LinkedHashMap<String, String>();
        wrong.put("7", "messages[0] is 7; it must be an object with role and content");
        wrong.put("{'content':'x'}", "messages[0].role is missing; it must be a string");
        wrong.put("{'role':'tool','content':'x'}", "messages[0].role is \"tool\"; it must be user or assistant");
        wrong.put("{'role':'user'}", "messages[0].content is missing; it must be a string or a list of blocks");
        wrong.put("{'role':'user','content':7}", "messages[0].content is 7; it must be a string or a list of blocks");
        wrong.put("{'role':'user','content':[7]}", first + " is 7; it must be an object with a type");
        wrong.put("{'role':'user','content':[{'text':'x'}]}", first + ".type is missing; it must be a string");
        wrong.put("{'role':'user','content':[{'type':'text'}]}", first + ".text is missing; it must be a string");
        wrong.put(user("'type':'text','text':7"), first + ".text is 7; it must be a string");
        for (var type : List.of("image", "document", "search_result", "tool_use", "thinking", "container_upload")) {
            wrong.put(
                    user("'type':'" + type + "'"),
                    first + ".type is \"" + type + "\", which is not supported; it must be text or tool_result");
        }
        for (var type : List.of("image", "server_tool_use", "web_search_tool_result", "tool_result")) {
            wrong.put(
                    "{'role':'assistant','content':[{'type':'" + type + "'}]}",
                    first + ".type is \"" + type + "\", which is not supported; it must be text, thinking");
        }
        wrong.put(user("'type':'tool_result'"), first + ".tool_use_id is missing; it must be a string");
        wrong.put(
                user("'type':'tool_result','tool_use_id':'a'"),
                first + ".tool_use_id is \"a\"; it must be the id of one of the tool_use blocks before it");
        wrong.put(call("'name':'f'"), first + ".id is missing; it must be a string");
        wrong.put(call("'id':'a'"), first + ".name is missing; it must be a string");
        wrong.put(call("'id':'a','name':'f','input':'x'"), first + ".input is \"x\"; it must be an object");
        wrong.put(
                "{'role':'assistant','content':["
                        + String.join(",", Collections.nCopies(2, "{'type':'tool_use','id':'a','name':'f'}")) + "]}",
                "messages[0].content[1].id is \"a\", which is the id of another call, too");
        wrong.put(
                call("'id':'a','name':'f'") + "," + call("'id':'a','name':'f'"),
                "messages[1].content[0].id is \"a\", which is the id of another call, too");
        wrong.put(
                IntStream.rangeClosed(0, 128)
                        .mapToObj(i -> call("'id':'" + i + "','name':'f'"))
                        .collect(Collectors.joining(",")),
                "messages[128].content has 129 tool_use blocks in its turn; the limit is 128");
        return wrong;
    }

    private static String user(String block) {
        return "{'role':'user','content':[{" + block + "}]}";
    }

    private static String call(String block) {
        return "{'role':'assistant','content':[{'type':'tool_use'," + block + "}]}";
    }

    private void assertRefused(String message, String body) throws Exception {
        for (var path : List.of(MESSAGES, MESSAGES + "/count_tokens")) {
            var answer = worker.post(path, body);
            assertEquals(400, answer.statusCode(), body);
            var error = Events.json(answer.body());
            assertEquals("error", error.get("type").asText());
            assertEquals("invalid_request_error", error.at("/error/type").asText());
            var said = error.at("/error/message").asText();
            assertTrue(said.startsWith(message), () -> path + body + "\n" + said);
            if (message.contains("max_tokens")) {
                return;
            }
        }
    }

    @Test
    void whatIsWrongIsNamed() throws Exception {
        for (var wrong : wrongFields().entrySet()) {
            assertRefused(wrong.getValue(), body(wrong.getKey()));
        }
        for (var wrong : wrongTools().entrySet()) {
            assertRefused(wrong.getValue(), body(wrong.getKey()));
        }
        for (var wrong : wrongMessages().entrySet()) {
            assertRefused(wrong.getValue(), conversation(wrong.getKey() + "," + HI, ""));
        }
        assertRefused(
                "messages ends with a turn of the assistant",
                conversation(HI + ",{'role':'assistant','content':'x'}", ""));
        assertRefused("messages is missing; it must be a list of objects", "{\"max_tokens\":1}");
        assertRefused("messages has 0 entries; it must have 1 to 1024", conversation("", ""));
        assertRefused(
                "max_tokens is missing; it must be a whole number of at least 1", json("{'messages':[" + HI + "]}"));
        assertRefused("max_tokens is 0; it must be at least 1", json("{'max_tokens':0,'messages':[" + HI + "]}"));
        assertTrue(engine.hasNone());
    }

    // --- answers

    private void answer(ScriptedGenerator.Script script) {
        script.emit(new AnswerPart.Reasoning("h"))
                .emit(new AnswerPart.Reasoning("m"))
                .emit(new AnswerPart.Content("I"))
                .emit(new AnswerPart.Content(" call."), new AnswerPart.CallStart(0, "id_a", "f"))
                .emit(new AnswerPart.CallArguments(0, "{\"x\":"))
                .emit(new AnswerPart.CallArguments(0, " 1.50}"))
                .emit(new AnswerPart.CallStart(1, "id_b", "g"));
        script.finish(FinishReason.TOOL_CALLS, 2, new AnswerPart.CallArguments(1, "{}"));
    }

    private static final String THINKING = ",'thinking':{'type':'enabled','budget_tokens':1500}";

    @Test
    void aWholeAnswerHasItsBlocksInOrder() throws Exception {
        var answer = post(body(TOOLS + THINKING));
        answer(engine.next());
        var body = Events.json(answer.join().body());
        assertTrue(body.get("id").asText().startsWith("msg_"), body.toString());
        assertEquals("message", body.get("type").asText());
        assertEquals("assistant", body.get("role").asText());
        assertEquals("scripted", body.get("model").asText());
        var signature = body.at("/content/0/signature").asText();
        assertFalse(signature.isEmpty());
        assertEquals(
                Events.json(json("[{'type':'thinking','thinking':'hm','signature':'" + signature + "'},"
                        + "{'type':'text','text':'I call.'},{'type':'tool_use','id':'id_a','name':'f','input':{'x':1.50}},"
                        + "{'type':'tool_use','id':'id_b','name':'g','input':{}}]")),
                body.get("content"));
        assertTrue(answer.join().body().contains("1.50"), "numbers keep their digits");
        assertEquals("tool_use", body.get("stop_reason").asText());
        assertTrue(body.get("stop_sequence").isNull());
        assertEquals(
                Events.json(json("{'input_tokens':3,'cache_creation_input_tokens':0,'cache_read_input_tokens':0,"
                        + "'output_tokens':7,'output_tokens_details':{'thinking_tokens':2}}")),
                body.get("usage"));
    }

    private List<JsonNode> streamed(String more) throws Exception {
        var answer = CompletableFuture.supplyAsync(() -> {
            try {
                return Events.named(Events.open(worker, MESSAGES, body(more + ",'stream':true")));
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        answer(engine.next());
        return answer.join();
    }

    @Test
    void theEventsOfAStream() throws Exception {
        var events = streamed(TOOLS + THINKING);
        var id = events.getFirst().at("/message/id").asText();
        var expected = """
                {'type':'message_start','message':{'id':'ID','type':'message','role':'assistant','model':'scripted',
                 'content':[],'stop_reason':null,'stop_sequence':null,'usage':{'input_tokens':0,
                 'cache_creation_input_tokens':0,'cache_read_input_tokens':0,'output_tokens':0}}}
                {'type':'ping'}
                {'type':'content_block_start','index':0,'content_block':{'type':'thinking','thinking':'','signature':''}}
                {'type':'content_block_delta','index':0,'delta':{'type':'thinking_delta','thinking':'h'}}
                {'type':'content_block_delta','index':0,'delta':{'type':'thinking_delta','thinking':'m'}}
                {'type':'content_block_delta','index':0,'delta':{'type':'signature_delta','signature':'ID'}}
                {'type':'content_block_stop','index':0}
                {'type':'content_block_start','index':1,'content_block':{'type':'text','text':''}}
                {'type':'content_block_delta','index':1,'delta':{'type':'text_delta','text':'I'}}
                {'type':'content_block_delta','index':1,'delta':{'type':'text_delta','text':' call.'}}
                {'type':'content_block_stop','index':1}
                {'type':'content_block_start','index':2,'content_block':{'type':'tool_use','id':'id_a','name':'f','input':{}}}
                {'type':'content_block_delta','index':2,'delta':{'type':'input_json_delta','partial_json':'{\\'x\\':'}}
                {'type':'content_block_delta','index':2,'delta':{'type':'input_json_delta','partial_json':' 1.50}'}}
                {'type':'content_block_stop','index':2}
                {'type':'content_block_start','index':3,'content_block':{'type':'tool_use','id':'id_b','name':'g','input':{}}}
                {'type':'content_block_delta','index':3,'delta':{'type':'input_json_delta','partial_json':'{}'}}
                {'type':'content_block_stop','index':3}
                {'type':'message_delta','delta':{'stop_reason':'tool_use','stop_sequence':null},'usage':{'input_tokens':3,
                 'cache_creation_input_tokens':0,'cache_read_input_tokens':0,'output_tokens':7,
                 'output_tokens_details':{'thinking_tokens':2}}}
                {'type':'message_stop'}
                """.replace("\n ", "").replace("ID", id).lines().toList();
        assertEquals(expected.size(), events.size(), events.toString());
        for (var i = 0; i < expected.size(); i++) {
            assertEquals(Events.json(json(expected.get(i))), events.get(i));
        }
    }

    @Test
    void thinkingIsShownAsAsked() throws Exception {
        for (var hidden : List.of("", ",'thinking':{'type':'disabled'}")) {
            var answer = post(body(hidden));
            answer(engine.next());
            assertEquals(
                    "text",
                    Events.json(answer.join().body()).at("/content/0/type").asText());
            assertFalse(streamed(hidden).toString().contains("thinking\""), hidden);
        }
        var omitted = ",'thinking':{'type':'adaptive','display':'omitted'}";
        var answer = post(body(omitted));
        answer(engine.next());
        var block = Events.json(answer.join().body()).at("/content/0");
        assertEquals("thinking", block.get("type").asText());
        assertEquals("", block.get("thinking").asText());
        assertFalse(block.get("signature").asText().isEmpty());
        var events = streamed(omitted).toString();
        assertTrue(events.contains("signature_delta") && !events.contains("thinking_delta"), events);
    }

    @Test
    void whyAnAnswerEnded() throws Exception {
        var reasons = Map.of(
                FinishReason.STOP, "end_turn",
                FinishReason.LENGTH, "model_context_window_exceeded",
                FinishReason.TIMEOUT, "max_tokens",
                FinishReason.CANCELLED, "max_tokens");
        for (var reason : reasons.entrySet()) {
            var answer = post(body(""));
            engine.next().emit("a").finish(reason.getKey());
            assertEquals(
                    reason.getValue(),
                    Events.json(answer.join().body()).get("stop_reason").asText());
        }
        var answer = post(json("{'max_tokens':1,'messages':[" + HI + "]}"));
        engine.next().emit("a").finish(FinishReason.LENGTH);
        assertEquals(
                "max_tokens",
                Events.json(answer.join().body()).get("stop_reason").asText());
    }

    @Test
    void anAnswerMayBeEmpty() throws Exception {
        var answer = post(body(""));
        engine.next().finish(FinishReason.STOP);
        assertEquals("[]", Events.json(answer.join().body()).get("content").toString());
    }

    @Test
    void aCallThatIsCutHasNoInput() throws Exception {
        var answer = post(body(TOOLS));
        engine.next()
                .emit(new AnswerPart.CallStart(0, "a", "f"), new AnswerPart.CallArguments(0, "{\"x\":"))
                .finish(FinishReason.LENGTH);
        assertEquals(
                Events.json(json("[{'type':'tool_use','id':'a','name':'f','input':{}}]")),
                Events.json(answer.join().body()).get("content"));
    }
}
