package dev.llmworker.serving.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Events;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedGenerator;
import dev.llmworker.testing.WorkerExtension;
import dev.llmworker.text.chat.ChatMessage;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// In every API: what would change the answer and is not supported is refused by name, what asks for nothing is
/// accepted, and what is for the chat template reaches it.
class UnsupportedFieldsTest {
    private static final List<String> REFUSED = List.of(
            "'tools':[{}]",
            "'functions':[{}]",
            "'tool_choice':'required'",
            "'tool_choice':{'type':'function'}",
            "'function_call':{'name':'f'}",
            "'modalities':['text','audio']",
            "'audio':{'voice':'x'}",
            "'web_search_options':{'search_context_size':'low'}",
            "'verbosity':'low'",
            "'n':2",
            "'best_of':2",
            "'echo':true",
            "'suffix':'x'",
            "'json_schema':{}",
            "'guided_grammar':'x'",
            "'guided_decoding_backend':'x'",
            "'grammar':'root ::= [a]'",
            "'json_schema':{'type':'object'}",
            "'bad_words':['x']",
            "'allowed_token_ids':[1]",
            "'use_beam_search':true",
            "'length_penalty':0.5",
            "'early_stopping':true",
            "'truncate_prompt_tokens':5",
            "'truncate_prompt_tokens':-1",
            "'prompt_logprobs':0",
            "'documents':[{'text':'x'}]",
            "'chat_template':'{{ x }}'",
            "'continue_final_message':true",
            "'add_generation_prompt':false",
            "'skip_special_tokens':false",
            "'spaces_between_special_tokens':false",
            "'include_stop_str_in_output':true",
            "'detokenize':false",
            "'include_reasoning':false",
            "'return_token_ids':true",
            "'return_tokens_as_token_ids':true",
            "'kv_transfer_params':{'do_remote_decode':true}",
            "'logits_processors':['x']",
            "'prompt_embeds':'x'",
            "'mirostat':2",
            "'dynatemp_range':0.5",
            "'xtc_probability':0.1",
            "'typical_p':0.5",
            "'dry_multiplier':0.8",
            "'top_n_sigma':1.5",
            "'samplers':['top_k']",
            "'n_probs':3",
            "'min_keep':1",
            "'n_keep':5",
            "'n_predict':5",
            "'repeat_penalty':1.1",
            "'repeat_last_n':0",
            "'t_max_predict_ms':10",
            "'response_fields':['content']",
            "'lora':[{'id':0}]",
            "'enable_thinking':false",
            "'enable_thinking':true",
            "'max_reasoning_tokens':5",
            "'system':'x'",
            "'stop_sequences':['x']",
            "'thinking':{'type':'disabled'}",
            "'output_config':{'effort':'low'}",
            "'output_format':{'type':'json_schema'}",
            "'context_management':{'edits':[{'type':'compact_20260112'}]}",
            "'container':'x'",
            "'compaction':{'instructions':'x'}",
            "'mcp_servers':[{'url':'x'}]",
            "'fallbacks':[{'model':'x'}]");
    /// What an API has itself.
    private static final Map<String, List<String>> SUPPORTED = Map.of(
            "/v1/chat/completions",
            List.of("tools", "tool_choice", "n", "max_reasoning_tokens"),
            "/v1/completions",
            List.of("n"),
            "/v1/responses",
            List.of("tools", "tool_choice", "reasoning", "top_logprobs", "max_reasoning_tokens", "max_tokens"),
            "/v1/messages",
            List.of(
                    "tools",
                    "tool_choice",
                    "system",
                    "stop_sequences",
                    "thinking",
                    "output_config",
                    "output_format",
                    "context_management"));
    /// Of Anthropic's API, which has an object there.
    private static final String TOOL_CHOICE = "'tool_choice':'";
    private static final List<String> ACCEPTED = List.of(
            "'tools':[],'tool_choice':'auto','functions':[],'function_call':{},'parallel_tool_calls':true",
            "'tools':null,'tool_choice':'none','function_call':'auto','n':1.0,'best_of':1,'echo':false,'suffix':''",
            "'response_format':{'type':'text'},'modalities':['text'],'audio':null,'verbosity':'medium'",
            "'response_format':{'type':'text','json_schema':null},'modalities':[],'web_search_options':{}",
            "'response_format':{},'structured_outputs':{'json':null,'regex':null,'disable_fallback':false}",
            "'guided_json':null,'guided_choice':[],'grammar':'','json_schema':null,'bad_words':[]",
            "'allowed_token_ids':null,'use_beam_search':false,'length_penalty':1,'early_stopping':false",
            "'truncate_prompt_tokens':null,'prompt_logprobs':null,'documents':[],'chat_template':null",
            "'continue_final_message':false,'add_generation_prompt':true,'skip_special_tokens':true",
            "'spaces_between_special_tokens':true,'include_stop_str_in_output':false,'detokenize':true",
            "'return_token_ids':false,'kv_transfer_params':null,'logits_processors':[],'stop_token_ids':[]",
            "'mirostat':0,'mirostat_tau':5.0,'mirostat_eta':0.1,'dynatemp_range':0.0,'xtc_probability':-0",
            "'typical_p':1.0,'dry_multiplier':0,'dry_base':1.75,'samplers':[],'n_probs':0,'min_keep':0",
            "'n_keep':0,'n_predict':-1,'repeat_penalty':1,'repeat_last_n':64,'cache_prompt':true,'id_slot':-1",
            "'user':'u','metadata':{'a':'b'},'store':true,'service_tier':'auto','priority':3,'request_id':'x'",
            "'stop':'','logit_bias':{},'seed':null,'top_k':-1,'top_p':0,'stream_options':{},'cache_salt':'x'",
            "'logprobs':false,'top_logprobs':0,'stop':[],'stream_options':null,'prompt_cache_key':'x'",
            "'stop':[''],'logit_bias':[],'stream_options':[],'chat_template_kwargs':[],'response_format':[]",
            "'chat_template_kwargs':{},'reasoning_effort':null,'what_nobody_knows':7");
    private static final Map<String, String> BODIES = Map.of(
            "/generate", "{'prompt':'x',%s}",
            "/v1/chat/completions", "{'messages':[{'role':'user','content':'x'}],%s}",
            "/v1/completions", "{'prompt':'x',%s}",
            "/v1/responses", "{'input':'x',%s}",
            "/v1/messages", "{'max_tokens':9,'messages':[{'role':'user','content':'x'}],%s}");

    private final ScriptedGenerator engine = new ScriptedGenerator();

    @RegisterExtension
    final WorkerExtension worker = WorkerExtension.of(engine);

    private static String body(String form, String fields) {
        return form.formatted(fields).replace('\'', '"');
    }

    private static String name(String field) {
        return field.substring(1, field.indexOf('\'', 1));
    }

    @Test
    void whatWouldChangeTheAnswerIsRefusedByNameInEveryApi() throws Exception {
        engine.refusal = new RefusedException(RefusedException.Reason.INVALID, "reached", "the engine was reached");
        for (var field : REFUSED) {
            for (var api : BODIES.entrySet()) {
                if (SUPPORTED.getOrDefault(api.getKey(), List.of()).contains(name(field))) {
                    continue;
                }
                var answer = worker.post(api.getKey(), body(api.getValue(), field));
                assertEquals(400, answer.statusCode(), api.getKey() + field);
                var error = Events.json(answer.body()).get("error");
                var message = error.path("message").asText(error.asText());
                assertTrue(message.startsWith(name(field) + " is "), api.getKey() + ": " + message);
            }
            try (var socket = worker.socket("/ws")) {
                var frame = socket.send(body("{'prompt':'x',%s}", field)).next();
                assertTrue(frame.startsWith("{\"error\":\"" + name(field) + " is "), frame);
            }
        }
        assertTrue(engine.hasNone());
    }

    @Test
    void whatAsksForNothingIsAcceptedInEveryApi() throws Exception {
        // Accepted requests get to the engine, which refuses them in its own words.
        engine.refusal = new RefusedException(RefusedException.Reason.INVALID, "reached", "the engine was reached");
        for (var fields : ACCEPTED) {
            for (var api : BODIES.entrySet()) {
                if (api.getKey().equals("/v1/messages") && fields.contains(TOOL_CHOICE)) {
                    continue;
                }
                var answer = worker.post(api.getKey(), body(api.getValue(), fields));
                assertTrue(answer.body().contains("the engine was reached"), api.getKey() + fields + answer.body());
            }
            try (var socket = worker.socket("/ws")) {
                var frame = socket.send(body("{'prompt':'x',%s}", fields)).next();
                assertTrue(frame.contains("the engine was reached"), fields + frame);
            }
        }
    }

    @Test
    void aMessageMayCallNothing() throws Exception {
        engine.refusal = new RefusedException(RefusedException.Reason.INVALID, "reached", "the engine was reached");
        for (var api : List.of("/generate", "/v1/chat/completions")) {
            for (var role : List.of("assistant", "user", "system")) {
                for (var nothing : List.of("'tool_calls':[]", "'tool_calls':null", "'function_call':{}")) {
                    var message = body("{'messages':[{'role':'" + role + "','content':'x',%s}]}", nothing);
                    assertTrue(worker.post(api, message).body().contains("the engine was reached"), message);
                }
            }
            var call = body("{'messages':[{'role':'assistant','content':'x',%s}]}", "'function_call':{'name':'f'}");
            assertTrue(worker.post(api, call).body().contains("messages[0].function_call is not supported"));
        }
    }

    @Test
    void aTurnOfTheAssistantMayHaveNoText() throws Exception {
        for (var api : List.of("/generate", "/v1/chat/completions")) {
            for (var turn : List.of("", ",'content':null", ",'content':null,'tool_calls':[],'refusal':null")) {
                var answer =
                        posted(api, body("{'messages':[{'role':'assistant'%s},{'role':'user','content':'x'}]}", turn));
                var script = engine.next();
                script.finish(FinishReason.STOP);
                assertEquals(
                        List.of(new ChatMessage("assistant", ""), ChatMessage.user("x")),
                        ((Prompt.Chat) script.request.prompt()).messages());
                assertEquals(200, answer.join().statusCode());
            }
            for (var role : List.of("user", "system")) {
                var answer = worker.post(api, body("{'messages':[{'role':'" + role + "'%s}]}", ",'content':null"));
                assertEquals(400, answer.statusCode());
                assertTrue(answer.body().contains("messages[0].content is missing"), answer.body());
            }
            for (var instead : List.of("'refusal':'no'", "'audio':{'id':'a'}", "'content':'x','audio':{'id':'a'}")) {
                var answer = worker.post(api, body("{'messages':[{'role':'assistant',%s}]}", instead));
                assertTrue(answer.body().contains(" is not supported"), answer.body());
            }
        }
    }

    private CompletableFuture<HttpResponse<String>> posted(String api, String body) {
        return RunningWorker.HTTP.sendAsync(
                worker.request(api)
                        .POST(HttpRequest.BodyPublishers.ofString(body))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }

    @Test
    void whatIsForTheTemplateReachesIt() throws Exception {
        var fields =
                "'reasoning_effort':'high','chat_template_kwargs':{'enable_thinking':false,'a':[1,2.50,null,'x'],'b':{'c':1e2}}";
        var expected = "{reasoning_effort=high, enable_thinking=false, a=[1, 2.5, null, x], b={c=100.0}}";
        try (var socket = worker.socket("/ws")) {
            socket.send(body("{'prompt':'x',%s}", fields));
            assertEquals(expected, variables());
        }
        for (var api : List.of("/generate", "/v1/chat/completions")) {
            var answer = posted(api, body(String.valueOf(BODIES.get(api)), fields));
            assertEquals(expected, variables());
            assertEquals(200, answer.join().statusCode());
        }
    }

    private String variables() throws Exception {
        var script = engine.next();
        script.finish(FinishReason.STOP);
        return ((Prompt.Chat) script.request.prompt()).variables().toString();
    }

    @Test
    void whatTheWorkerSaysToTheTemplateCannotBeReplaced() throws Exception {
        for (var name : List.of("messages", "tools", "add_generation_prompt", "bos_token", "eos_token", "documents")) {
            for (var api : List.of("/generate", "/v1/chat/completions")) {
                var answer = worker.post(
                        api, body(String.valueOf(BODIES.get(api)), "'chat_template_kwargs':{'" + name + "':true}"));
                assertEquals(400, answer.statusCode());
                assertTrue(
                        answer.body().contains("chat_template_kwargs." + name + " is set by the worker"),
                        answer.body());
            }
        }
        var wrong = Map.of(
                "'chat_template_kwargs':7",
                "chat_template_kwargs is 7; it must be an object",
                "'chat_template_kwargs':{'a':1e999}",
                "chat_template_kwargs.a is 1e999; it must be",
                "'chat_template_kwargs':{'a':'" + "x".repeat(20_000) + "'}",
                "the limit is 16384",
                "'reasoning_effort':7",
                "reasoning_effort is 7; it must be a string",
                "'raw':true,'chat_template_kwargs':{'a':1}",
                "chat_template_kwargs is not supported");
        for (var field : wrong.entrySet()) {
            var answer = worker.post("/generate", body("{'prompt':'x',%s}", field.getKey()));
            assertEquals(400, answer.statusCode());
            assertTrue(answer.body().contains(field.getValue()), answer.body());
        }
    }
}
