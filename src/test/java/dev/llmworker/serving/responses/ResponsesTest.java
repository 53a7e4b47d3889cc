package dev.llmworker.serving.responses;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.ScoredToken;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import dev.llmworker.text.tools.ToolChoice;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What the engine gets of a request to `/v1/responses`, and what the client gets of the engine's answer.
@Timeout(180)
class ResponsesTest {
    private static final String RESPONSES = "/v1/responses";
    private static final String TOOL = "{'type':'function','name':'f','parameters':{'type':'object','properties':{}}}";

    private static final ScriptedGenerator ENGINE = new ScriptedGenerator();

    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.of(ENGINE);

    private static String json(String text) {
        return text.replace('\'', '"');
    }

    private static String body(String more) {
        return json("{'model':'scripted','input':'hi'" + more + "}");
    }

    private static String input(String items) {
        return json("{'input':[" + items + "]}");
    }

    private CompletableFuture<HttpResponse<String>> post(String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(RESPONSES)
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    private GenerationRequest asked(String body) throws Exception {
        var answer = post(body);
        var script = ENGINE.next();
        script.finish(FinishReason.STOP);
        assertEquals(200, answer.join().statusCode(), () -> answer.join().body());
        return script.request;
    }

    private List<ChatMessage> turns(String body) throws Exception {
        return ((Prompt.Chat) asked(body).prompt()).messages();
    }

    private JsonNode error(String body) throws Exception {
        var answer = worker.post(RESPONSES, body);
        assertEquals(400, answer.statusCode(), answer.body());
        return Events.json(answer.body()).get("error");
    }

    @Test
    void itemsAreTurns() throws Exception {
        assertEquals(
                List.of(
                        new ChatMessage("system", "Be kind.\nBe brief."),
                        ChatMessage.user("a\nb"),
                        ChatMessage.user("c"),
                        ChatMessage.assistant(
                                "I call.",
                                "hm",
                                List.of(new ToolCall("c1", "f", "{\"x\":1.50}"), new ToolCall("c2", "g", "{}"))),
                        ChatMessage.toolResult("c2", "g", "two"),
                        ChatMessage.toolResult("c1", "f", "one"),
                        ChatMessage.assistant("done", "so", List.of())),
                turns(json("{'instructions':'Be kind.','input':["
                                + "{'role':'developer','content':'Be brief.'},"
                                + "{'type':'message','role':'user','content':[{'type':'input_text','text':'a'},"
                                + "{'type':'input_text','text':'b'}]},{'role':'user','content':'c'},"
                                + "{'type':'reasoning','id':'rs_1','summary':[],"
                                + "'content':[{'type':'reasoning_text','text':'hm'}]},"
                                + "{'type':'message','id':'msg_1','status':'completed','role':'assistant',"
                                + "'content':[{'type':'output_text','text':'I call.','annotations':[]}]},"
                                + "{'type':'function_call','id':'fc_1','call_id':'c1','name':'f','arguments':'@'},"
                                + "{'type':'function_call','call_id':'c2','name':'g','arguments':''},"
                                + "{'type':'function_call_output','call_id':'c2','output':"
                                + "[{'type':'input_text','text':'two'}]},"
                                + "{'type':'function_call_output','call_id':'c1','output':'one'},"
                                + "{'type':'reasoning','summary':[{'type':'summary_text','text':'so'}]},"
                                + "{'type':'reasoning','summary':[],'encrypted_content':'of-another-server'},"
                                + "{'role':'assistant','content':'done'}]}")
                        .replace("@", "{\\\"x\\\":1.50}")));
        assertEquals(List.of(ChatMessage.user("hi")), turns(body(",'instructions':null,'tools':null")));
    }

    /// A server may number the calls of each answer from the same number on.
    @Test
    void aCallIdMayComeAgainOnceItsCallHasAnOutput() throws Exception {
        var call = "{'type':'function_call','call_id':'call_0','name':'%s','arguments':'{}'}";
        var output = "{'type':'function_call_output','call_id':'call_0','output':'%s'}";
        var turns = turns(input(String.join(
                ",", call.formatted("f"), output.formatted("1"), call.formatted("g"), output.formatted("2"))));
        assertEquals(
                List.of(
                        ChatMessage.assistant("", "", List.of(new ToolCall("call_0", "f", "{}"))),
                        ChatMessage.toolResult("call_0", "f", "1"),
                        ChatMessage.assistant("", "", List.of(new ToolCall("call_0", "g", "{}"))),
                        ChatMessage.toolResult("call_0", "g", "2")),
                turns);
        var twice = error(input(call.formatted("f") + "," + call.formatted("g")));
        assertEquals("input[1].call_id", twice.get("param").asText());
    }

    @Test
    void namesOfUsersAreShort() throws Exception {
        for (var name : List.of("user", "safety_identifier", "prompt_cache_key")) {
            asked(body(",'" + name + "':'" + "x".repeat(512) + "'"));
            var error = error(body(",'" + name + "':'" + "x".repeat(513) + "'"));
            assertEquals(
                    name + " has 513 characters; the limit is 512",
                    error.get("message").asText());
        }
    }

    @Test
    void fieldsReachTheEngine() throws Exception {
        var request = asked(body(",'temperature':0.5,'top_p':0.25,'max_output_tokens':70,'top_k':7,'seed':3,"
                + "'metadata':{'a':'b'},'user':'u','service_tier':'auto','store':false,'max_tool_calls':2,"
                + "'background':false,'truncation':'disabled','text':{'verbosity':'medium'},'prompt_cache_key':'k'"));
        assertEquals(OptionalInt.of(70), request.maxTokens());
        assertEquals(0.5f, request.sampling().temperature());
        assertEquals(0.25f, request.sampling().topP());
        assertEquals(7, request.sampling().topK());
        assertEquals(3, request.sampling().seed());
        assertTrue(request.sampling().logprobs().isEmpty());
        assertTrue(request.cutsAtContext());
        assertTrue(request.fillsContext());
        var plain = asked(body(""));
        assertEquals(OptionalInt.empty(), plain.maxTokens());
        assertEquals(1f, plain.sampling().temperature());
        assertNull(plain.format());
        assertEquals(
                OptionalInt.of(4), asked(body(",'top_logprobs':4")).sampling().logprobs());
        assertEquals(
                OptionalInt.of(0),
                asked(body(",'include':['message.output_text.logprobs']"))
                        .sampling()
                        .logprobs());
    }

    @Test
    void toolsReachTheEngine() throws Exception {
        var parts = asked(body(",'tools':[" + TOOL + "],'parallel_tool_calls':false"))
                .parts();
        assertNotNull(parts);
        assertEquals(
                List.of(new Tool("f", "", "{\"type\":\"object\",\"properties\":{}}", true)),
                parts.tools().tools());
        assertEquals(ToolChoice.AUTO, parts.tools().choice());
        assertFalse(parts.tools().parallel());
        for (var choice : List.of("none", "required")) {
            var asked = asked(body(",'tools':[" + TOOL + "],'tool_choice':'" + choice + "'"))
                    .parts();
            assertNotNull(asked);
            assertEquals(
                    choice.equals("none") ? ToolChoice.NONE : ToolChoice.REQUIRED,
                    asked.tools().choice());
        }
        var named = asked(body(",'tools':[" + TOOL + "],'tool_choice':{'type':'function','name':'f'}"))
                .parts();
        assertNotNull(named);
        assertEquals(new ToolChoice.Named("f"), named.tools().choice());
    }

    @Test
    void formatsAndReasoningReachTheEngine() throws Exception {
        assertEquals(
                new AnswerFormat.Json("text.format.schema", "{\"type\":\"integer\"}"),
                asked(body(",'text':{'format':{'type':'json_schema','name':'n','strict':true,"
                                + "'schema':{'type':'integer'}}}"))
                        .format());
        assertEquals(
                AnswerFormat.Json.object("text.format"),
                asked(body(",'text':{'format':{'type':'json_object'}}")).format());
        assertNull(asked(body(",'text':{'format':{'type':'text'}}")).format());
        var high = asked(body(",'reasoning':{'effort':'xhigh','summary':'auto'},'max_reasoning_tokens':9"));
        assertEquals("high", ((Prompt.Chat) high.prompt()).variables().get("reasoning_effort"));
        assertNotNull(high.parts());
        assertEquals(OptionalInt.of(9), high.parts().maxReasoningTokens());
        var none = asked(body(",'reasoning':{'effort':'none'}"));
        assertEquals(false, ((Prompt.Chat) none.prompt()).variables().get("enable_thinking"));
        assertNotNull(none.parts());
        assertEquals(OptionalInt.of(0), none.parts().maxReasoningTokens());
    }

    /// Wrong requests, and the field that the error names.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '^',
            value = {
                "'input':7|input",
                "'input':[]|input",
                "'input':''|input",
                "'instructions':'x'|input",
                "'messages':[{'role':'user','content':'x'}]|messages",
                "'input':'x','instructions':7|instructions",
                "'input':'x','max_output_tokens':0|max_output_tokens",
                "'input':'x','max_output_tokens':'7'|max_output_tokens",
                "'input':'x','max_tokens':7|max_tokens",
                "'input':'x','max_completion_tokens':7|max_completion_tokens",
                "'input':'x','temperature':2.5|temperature",
                "'input':'x','top_p':1.5|top_p",
                "'input':'x','top_logprobs':21|top_logprobs",
                "'input':'x','max_tool_calls':0|max_tool_calls",
                "'input':'x','background':true|background",
                "'input':'x','conversation':'conv_1'|conversation",
                "'input':'x','prompt':{'id':'p'}|prompt",
                "'input':'x','truncation':'auto'|truncation",
                "'input':'x','include':['file_search_call.results']|include",
                "'input':'x','text':{'verbosity':'low'}|text.verbosity",
                "'input':'x','text':{'format':{'type':'xml'}}|text.format.type",
                "'input':'x','text':{'format':{'type':'json_schema','name':'n'}}|text.format.schema",
                "'input':'x','reasoning':{'effort':'enormous'}|reasoning.effort",
                "'input':'x','reasoning':{'summary':'detailed'}|reasoning.summary",
                "'input':'x','reasoning':{'effort':'low'},'reasoning_effort':'low'|reasoning_effort",
                "'input':'x','metadata':{'a':7}|metadata.a",
                "'input':'x','stream_options':{'include_obfuscation':true}|stream_options",
                "'input':'x','stream':'yes'|stream",
                "'input':'x','store':1|store",
                "'input':'x','thinking':{'type':'enabled'}|thinking",
                "'input':'x','tools':[{'type':'web_search'}]|tools[0].type",
                "'input':'x','tools':[{'type':'function','function':{'name':'f'}}]|tools[0].name",
                "'input':'x','tools':[{'type':'function','name':'f','parameters':7}]|tools[0].parameters",
                "'input':'x','tool_choice':'required'|tool_choice",
                "'input':'x','tool_choice':{'type':'web_search'}|tool_choice.type",
                "'input':'x','tool_choice':{'type':'function','name':'g'}|tool_choice.name",
                "'input':['x']|input[0]",
                "'input':[{'role':'king','content':'x'}]|input[0].role",
                "'input':[{'role':'user'}]|input[0].content",
                "'input':[{'role':'user','content':[{'type':'input_image','image_url':'x'}]}]|input[0].content[0].type",
                "'input':[{'role':'user','content':[{'type':'input_file','file_id':'x'}]}]|input[0].content[0].type",
                "'input':[{'type':'web_search_call','id':'w'}]|input[0].type",
                "'input':[{'type':'item_reference','id':'msg_1'}]|input[0].id",
                "'input':[{'type':'function_call','call_id':'c','name':'f','arguments':'x'}]|input[0].arguments",
                "'input':[{'type':'function_call_output','call_id':'c','output':'x'}]|input[0].call_id",
                "'input':'x','generate':false|generate",
                "'input':'x','text':{'format':{'type':'json_object','schema':{'type':'array'}}}|text.format.schema",
                "'input':'x','text':{'format':{'type':'text','schema':{'type':'array'}}}|text.format.schema",
                "'input':'x','text':{'format':{'type':'json_schema','name':'n','schema':{},'examples':[1]}}"
                        + "|text.format.examples",
                "'input':'x','text':{'style':'plain'}|text.style",
                "'input':'x','reasoning':{'budget':7}|reasoning.budget",
                "'input':'x','reasoning':{'context':'current_turn'}|reasoning.context",
                "'input':'x','reasoning':{'effort':'none'},'max_reasoning_tokens':7|max_reasoning_tokens",
                "'input':'x','reasoning':{'effort':'none'},'chat_template_kwargs':{'enable_thinking':true}"
                        + "|chat_template_kwargs",
                "'input':[{'role':'assistant','content':'x','tool_calls':[{'id':'c'}]}]|input[0].tool_calls",
                "'input':[{'role':'assistant','content':'','refusal':'no'}]|input[0].refusal",
                "'input':[{'role':'assistant','content':'','audio':{'id':'a'}}]|input[0].audio",
                "'input':'x','previous_response_id':'resp_1'|previous_response_id"
            })
    void wrongRequestsAreRefusedByName(String fields, String named) throws Exception {
        var error = error(json("{" + fields + "}"));
        assertEquals("invalid_request_error", error.get("type").asText());
        assertTrue(error.get("message").asText().startsWith(named), error.toString());
        assertEquals(
                fields.contains("previous_response_id") ? "previous_response_not_found" : "invalid_request",
                error.get("code").asText());
        assertTrue(ENGINE.hasNone());
    }

    @Test
    void aResponseIsWhole() throws Exception {
        var answer = post(body(",'tools':[" + TOOL + "],'metadata':{'a':'b'},'instructions':'Be.','temperature':0.5"));
        var script = ENGINE.next();
        script.emit(new AnswerPart.Reasoning("h")).emit(new AnswerPart.Reasoning("m"));
        script.emit(new AnswerPart.Content("Hel")).emit(new AnswerPart.Content("lo"));
        script.emit(new AnswerPart.CallStart(0, "c1", "f"), new AnswerPart.CallArguments(0, "{\"x\""));
        script.finish(FinishReason.TOOL_CALLS, 2, new AnswerPart.CallArguments(0, ":1}"));
        var response = Events.json(answer.join().body());
        assertTrue(response.get("id").asText().startsWith("resp_"));
        assertEquals("response", response.get("object").asText());
        assertEquals("completed", response.get("status").asText());
        assertEquals("scripted", response.get("model").asText());
        assertEquals("b", response.at("/metadata/a").asText());
        assertEquals("Be.", response.get("instructions").asText());
        assertEquals(0.5, response.get("temperature").asDouble());
        assertEquals("auto", response.get("tool_choice").asText());
        assertTrue(response.at("/tools/0/strict").asBoolean());
        assertEquals("text", response.at("/text/format/type").asText());
        assertTrue(response.get("error").isNull());
        assertTrue(response.get("incomplete_details").isNull());
        var output = response.get("output");
        assertEquals(3, output.size());
        assertEquals("hm", output.at("/0/content/0/text").asText());
        assertEquals("Hello", output.at("/1/content/0/text").asText());
        assertEquals("output_text", output.at("/1/content/0/type").asText());
        assertTrue(output.at("/2/id").asText().startsWith("fc_"));
        assertEquals("c1", output.at("/2/call_id").asText());
        assertEquals("{\"x\":1}", output.at("/2/arguments").asText());
        assertEquals("completed", output.at("/2/status").asText());
        assertEquals(3, response.at("/usage/input_tokens").asInt());
        assertEquals(
                2, response.at("/usage/output_tokens_details/reasoning_tokens").asInt());
        assertEquals(
                response.at("/usage/input_tokens").asInt()
                        + response.at("/usage/output_tokens").asInt(),
                response.at("/usage/total_tokens").asInt());
    }

    @Test
    void anAnswerThatWasCutIsIncomplete() throws Exception {
        for (var reason : List.of(FinishReason.LENGTH, FinishReason.TIMEOUT)) {
            var answer = post(body(""));
            ENGINE.next().emit(new AnswerPart.Content("Hel")).finish(reason);
            var response = Events.json(answer.join().body());
            assertEquals("incomplete", response.get("status").asText());
            assertEquals(
                    "max_output_tokens",
                    response.at("/incomplete_details/reason").asText());
            assertEquals("incomplete", response.at("/output/0/status").asText());
        }
    }

    @Test
    void reasoningCanBeSentBack() throws Exception {
        var answer = post(body(",'include':['reasoning.encrypted_content'],'store':false"));
        ENGINE.next().emit(new AnswerPart.Reasoning("hm é")).finish(FinishReason.STOP);
        var item = Events.json(answer.join().body()).at("/output/0");
        var sent = item.get("encrypted_content").asText();
        assertEquals(
                List.of(ChatMessage.assistant("", "hm é", List.of()), ChatMessage.user("go")),
                turns(input("{'type':'reasoning','summary':[],'encrypted_content':'" + sent
                        + "'},{'role':'user','content':'go'}")));
    }

    private static ScoredToken score(String text, float logprob) {
        return new ScoredToken(text, text.getBytes(StandardCharsets.UTF_8), logprob);
    }

    @Test
    void scoresAreOfTheText() throws Exception {
        var score = List.of(score("a", -0.5f), score("b", -1));
        for (var streams : List.of(false, true)) {
            var answer = post(body(",'top_logprobs':1,'stream':" + streams));
            ENGINE.next().emit("a", score).emit("", score).emit("c", score).finish(FinishReason.STOP);
            var text = answer.join().body();
            var response = streams
                    ? Events.json(text.substring(text.lastIndexOf("data: ") + "data: ".length()))
                            .get("response")
                    : Events.json(text);
            var logprobs = response.at("/output/0/content/0/logprobs");
            assertEquals(3, logprobs.size(), text);
            assertEquals("a", logprobs.at("/0/token").asText());
            assertEquals("b", logprobs.at("/0/top_logprobs/0/token").asText());
        }
    }

    /// Tokens that have no text yet belong to the text that comes next; those of a marker to none.
    @Test
    void scoresOfTokensThatWereHeldBackComeWithTheirText() throws Exception {
        var score = List.of(score("a", -0.5f));
        var answer = post(body(",'top_logprobs':1,'tools':[" + TOOL + "]"));
        var script = ENGINE.next();
        script.emit("", score).emit("ab", score).emit("", score).emit("", score);
        script.emit(new AnswerPart.CallStart(0, "c1", "f"), new AnswerPart.CallArguments(0, "{}"));
        script.finish(FinishReason.TOOL_CALLS);
        var response = Events.json(answer.join().body());
        assertEquals(2, response.at("/output/0/content/0/logprobs").size(), response.toString());
        assertEquals("function_call", response.at("/output/1/type").asText());
    }

    /// Another server may write several calls side by side.
    @Test
    void argumentsBelongToTheirCall() throws Exception {
        for (var streams : List.of(false, true)) {
            var answer = post(body(",'stream':" + streams + ",'tools':[" + TOOL + "]"));
            var script = ENGINE.next();
            script.emit(new AnswerPart.CallStart(0, "c1", "f")).emit(new AnswerPart.CallStart(1, "c2", "f"));
            script.emit(new AnswerPart.CallArguments(0, "{\"x\"")).emit(new AnswerPart.CallArguments(1, "{}"));
            script.emit(new AnswerPart.CallArguments(0, ":1}"));
            script.finish(FinishReason.TOOL_CALLS);
            var text = answer.join().body();
            var response = streams
                    ? Events.json(text.substring(text.lastIndexOf("data: ") + "data: ".length()))
                            .get("response")
                    : Events.json(text);
            assertEquals("{\"x\":1}", response.at("/output/0/arguments").asText(), text);
            assertEquals("{}", response.at("/output/1/arguments").asText(), text);
        }
    }

    @Test
    void eventsAreTheWholeAnswer() throws Exception {
        var answer = post(body(",'stream':true,'tools':[" + TOOL + "]"));
        var script = ENGINE.next();
        script.emit(new AnswerPart.Reasoning("h")).emit(new AnswerPart.Reasoning("m"));
        script.emit(new AnswerPart.Content("Hel")).emit(new AnswerPart.Content("lo"));
        script.emit(new AnswerPart.CallStart(0, "c1", "f"), new AnswerPart.CallArguments(0, "{\"x\""));
        script.finish(FinishReason.TOOL_CALLS, 2, new AnswerPart.CallArguments(0, ":1}"));
        var events = answer.join()
                .body()
                .lines()
                .filter(line -> line.startsWith("event: "))
                .map(line -> line.substring("event: response.".length()))
                .collect(Collectors.joining(" "));
        var part = "content_part.added %1$s.delta %1$s.delta %1$s.done content_part.done output_item.done ";
        assertEquals(
                "created in_progress output_item.added " + part.formatted("reasoning_text") + "output_item.added "
                        + part.formatted("output_text")
                        + "output_item.added function_call_arguments.delta function_call_arguments.delta"
                        + " function_call_arguments.done output_item.done completed",
                events);
    }

    @Test
    void failuresAreEvents() throws Exception {
        var answer = post(body(",'stream':true"));
        ENGINE.next().emit(new AnswerPart.Content("Hel")).finish(FinishReason.ERROR);
        var text = answer.join().body();
        var last = Events.json(text.substring(text.lastIndexOf("data: ") + "data: ".length()));
        assertEquals("response.failed", last.get("type").asText());
        assertEquals("failed", last.at("/response/status").asText());
        assertEquals("server_error", last.at("/response/error/code").asText());
        assertEquals("Hel", last.at("/response/output/0/content/0/text").asText());
        var whole = post(body(""));
        ENGINE.next().finish(FinishReason.ERROR);
        assertEquals(500, whole.join().statusCode());
    }
}
