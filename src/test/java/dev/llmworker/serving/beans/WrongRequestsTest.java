package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.Task;
import dev.llmworker.testing.RouteFolder;
import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.ScriptedWorker;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.testing.VectorModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Requests that are almost right, at each protocol: a member of another type or out of range, an unknown role, one
/// that
/// is missing, or one that contradicts another. Each is refused in the protocol's own form, and the member is named.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(180)
class WrongRequestsTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Pattern INSIDES =
            Pattern.compile("Exception|java\\.|io\\.netty|io\\.vertx|jackson|dev\\.llmworker|\\.java:");
    private static final String TOOL = "'parameters':{'type':'object','properties':{'a':{'type':'integer'}}}";

    /// Values that are of no use as the one that stands there, unless they are of its type.
    private static final List<String> OTHERS = List.of("7.5", "true", "'~'", "{'~':1}", "[{'~':1}]", "[[[]]]");

    /// How errors look.
    private enum Form {
        OWN,
        OPENAI,
        ANTHROPIC
    }

    /// The protocols, each by a request that is right.
    private enum Protocol {
        GENERATE(
                "/generate",
                Form.OWN,
                "{'messages':[{'role':'user','content':'hi'}],'max_tokens':2,'temperature':1,'top_p':1,'top_k':0,"
                        + "'min_p':0,'seed':1,'stop':['x'],'stop_token_ids':[3],'repetition_penalty':1,"
                        + "'presence_penalty':0,'frequency_penalty':0,'logit_bias':{'3':1},'min_tokens':0,"
                        + "'ignore_eos':false,'details':true}",
                List.of("messages"),
                List.of("max_tokens", "temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty"),
                List.of("'prompt':'x'", "'tools':[{'type':'function'}]", "'min_tokens':3", "'system':'x'")),
        CHAT(
                "/v1/chat/completions",
                Form.OPENAI,
                "{'messages':[{'role':'system','content':'x'},{'role':'user','content':[{'type':'text','text':'hi'}]}],"
                        + "'max_tokens':2,'temperature':1,'top_p':1,'n':1,'stop':['x'],'logprobs':true,'top_logprobs':1,"
                        + "'logit_bias':{'3':1},'parallel_tool_calls':true,'stream':false,"
                        + "'tools':[{'type':'function','function':{'name':'f'," + TOOL + "}}],'tool_choice':'auto'}",
                List.of("messages"),
                List.of("max_tokens", "temperature", "top_p", "n", "top_logprobs"),
                List.of("'functions':[{'name':'f'}]", "'logprobs':false", "'stream_options':{'include_usage':true}")),
        COMPLETIONS(
                "/v1/completions",
                Form.OPENAI,
                "{'prompt':'hi','max_tokens':2,'temperature':1,'top_p':1,'n':1,'logprobs':1,'stop':'x'}",
                List.of("prompt"),
                List.of("max_tokens", "temperature", "top_p", "n", "logprobs"),
                List.of("'messages':[{'role':'user','content':'x'}]", "'suffix':'x'", "'best_of':2")),
        RESPONSES(
                "/v1/responses",
                Form.OPENAI,
                "{'input':[{'type':'message','role':'user','content':[{'type':'input_text','text':'hi'}]}],"
                        + "'instructions':'x','max_output_tokens':2,'temperature':1,'top_p':1,'top_logprobs':0,"
                        + "'store':false,'stream':false,'text':{'format':{'type':'text'}},'parallel_tool_calls':true,"
                        + "'tools':[{'type':'function','name':'f'," + TOOL + "}],'tool_choice':'auto'}",
                List.of("input"),
                List.of("max_output_tokens", "temperature", "top_p", "top_logprobs"),
                List.of("'background':true", "'truncation':'auto'", "'conversation':'x'", "'max_tokens':3")),
        MESSAGES(
                "/v1/messages",
                Form.ANTHROPIC,
                "{'max_tokens':2,'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}],'system':'x',"
                        + "'temperature':1,'top_p':1,'top_k':0,'stop_sequences':['x'],'stream':false,"
                        + "'tools':[{'name':'f','input_schema':{'type':'object','properties':{}}}],"
                        + "'tool_choice':{'type':'auto'}}",
                List.of("messages", "max_tokens"),
                List.of("max_tokens", "temperature", "top_p"),
                List.of("'mcp_servers':[{'url':'x'}]", "'thinking':{'type':'disabled','budget_tokens':9}")),
        COUNT_TOKENS(
                "/v1/messages/count_tokens",
                Form.ANTHROPIC,
                "{'messages':[{'role':'user','content':'hi'}],'system':[{'type':'text','text':'x'}]}",
                List.of("messages"),
                List.of(),
                List.of("'tools':[{'name':7}]")),
        EMBEDDINGS(
                "/v1/embeddings",
                Form.OPENAI,
                "{'input':['a','b'],'dimensions':2,'encoding_format':'float'}",
                List.of("input"),
                List.of("dimensions"),
                List.of("'truncate_prompt_tokens':3", "'input_type':'query'")),
        RERANK(
                "/v1/rerank",
                Form.OPENAI,
                "{'query':'a','documents':['a','b'],'top_n':1,'return_documents':true}",
                List.of("query", "documents"),
                List.of("top_n"),
                List.of("'max_tokens_per_doc':3", "'rank_fields':['x']")),
        TOKENIZE(
                "/tokenize",
                Form.OWN,
                "{'prompt':'hi','add_special_tokens':true,'return_token_strs':true}",
                List.of("prompt"),
                List.of(),
                List.of("'messages':[{'role':'user','content':'x'}]")),
        DETOKENIZE("/detokenize", Form.OWN, "{'tokens':[97,98]}", List.of("tokens"), List.of(), List.of());

        final String path;
        final Form form;
        final String right;
        final List<String> required;
        final List<String> bounded;
        final List<String> contradicting;

        Protocol(
                String path,
                Form form,
                String right,
                List<String> required,
                List<String> bounded,
                List<String> contradicting) {
            this.path = path;
            this.form = form;
            this.right = right;
            this.required = required;
            this.bounded = bounded;
            this.contradicting = contradicting;
        }

        ObjectNode request() throws IOException {
            return (ObjectNode) json(right);
        }

        Task task() {
            return this == EMBEDDINGS ? Task.EMBED : this == RERANK ? Task.RERANK : Task.GENERATE;
        }
    }

    private final Map<Task, Generator> generators = new EnumMap<>(Task.class);
    private final Map<Task, RunningWorker> workers = new EnumMap<>(Task.class);

    @BeforeAll
    void start(@TempDir Path folder) throws Exception {
        for (var task : Task.values()) {
            var generator = task == Task.GENERATE
                    ? ScriptedWorker.generator()
                    : VectorModel.of(task).start(task);
            generators.put(task, generator);
            workers.put(
                    task, RunningWorker.with(generator, RouteFolder.in(folder).path()));
        }
    }

    @AfterAll
    void stop() {
        workers.values().forEach(RunningWorker::close);
        generators.values().forEach(Generator::close);
    }

    private static JsonNode json(String text) throws IOException {
        return JSON.readTree(text.replace('\'', '"'));
    }

    private int send(Protocol protocol, JsonNode request) throws Exception {
        var answer = Objects.requireNonNull(workers.get(protocol.task())).post(protocol.path, request.toString());
        var of = protocol + " " + request + ": " + answer.statusCode() + " " + answer.body();
        assertTrue(Set.of(200, 400).contains(answer.statusCode()), of);
        if (answer.statusCode() == 400) {
            assertError(protocol, JSON.readTree(answer.body()), of);
        }
        return answer.statusCode();
    }

    private static Set<String> names(JsonNode object) {
        var names = new TreeSet<String>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }

    private static void assertError(Protocol protocol, JsonNode error, String of) {
        assertFalse(INSIDES.matcher(error.toString()).find(), of);
        var message = switch (protocol.form) {
            case OWN -> {
                assertEquals(Set.of("error", "code"), names(error), of);
                yield error.path("error");
            }
            case OPENAI -> {
                assertEquals(Set.of("error"), names(error), of);
                assertEquals(Set.of("message", "type", "param", "code"), names(error.path("error")), of);
                assertEquals("invalid_request_error", error.at("/error/type").asText(), of);
                yield error.at("/error/message");
            }
            case ANTHROPIC -> {
                assertEquals(Set.of("type", "error"), names(error), of);
                assertEquals("error", error.path("type").asText(), of);
                assertEquals(Set.of("type", "message"), names(error.path("error")), of);
                assertEquals("invalid_request_error", error.at("/error/type").asText(), of);
                yield error.at("/error/message");
            }
        };
        assertTrue(message.isTextual() && !message.asText().isBlank(), of);
    }

    @ParameterizedTest
    @EnumSource
    void theRequestItselfIsRight(Protocol protocol) throws Exception {
        assertEquals(200, send(protocol, protocol.request()));
    }

    @ParameterizedTest
    @EnumSource
    void whatMustBeThereIsMissed(Protocol protocol) throws Exception {
        for (var name : protocol.required) {
            var request = protocol.request();
            request.remove(name);
            assertEquals(400, send(protocol, request), name);
        }
        assertEquals(400, send(protocol, JsonNodeFactory.instance.objectNode()));
        assertEquals(400, send(protocol, JsonNodeFactory.instance.arrayNode()));
    }

    @ParameterizedTest
    @EnumSource
    void numbersHaveRanges(Protocol protocol) throws Exception {
        for (var name : protocol.bounded) {
            for (var value : List.of("-1000000000", "1e300", "9223372036854775808")) {
                var request = protocol.request();
                request.set(name, json(value));
                assertEquals(400, send(protocol, request), name + " " + value);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatContradictsIsRefused(Protocol protocol) throws Exception {
        for (var more : protocol.contradicting) {
            var request = protocol.request();
            request.setAll((ObjectNode) json("{" + more + "}"));
            assertEquals(400, send(protocol, request), more);
        }
    }

    @ParameterizedTest
    @EnumSource
    void rolesAndKindsMustBeKnown(Protocol protocol) throws Exception {
        for (var place : places(protocol.request())) {
            if (place.name.equals("role") || place.name.equals("type") && !place.path.contains("parameters")) {
                for (var value : List.of("'wizard'", "''", "7", "'USER'", "['user']")) {
                    var request = protocol.request();
                    place.set(request, json(value));
                    assertEquals(400, send(protocol, request), place + " " + value);
                }
            }
        }
    }

    /// Any member and any element, replaced by any value: answered, or refused in the protocol's form. Most are
    /// refused.
    @Seeded
    @ParameterizedTest
    @EnumSource
    void aValueOfAnotherTypeIsRefused(Protocol protocol) throws Exception {
        var random = new Random(Seeds.seed() + protocol.ordinal());
        var refused = 0;
        var rounds = Seeds.rounds(40);
        for (var round = 0; round < rounds; round++) {
            var request = protocol.request();
            var all = places(request);
            var place = all.get(random.nextInt(all.size()));
            place.set(request, json(OTHERS.get(random.nextInt(OTHERS.size()))));
            refused += send(protocol, request) == 400 ? 1 : 0;
        }
        assertTrue(refused > rounds / 2, refused + " of " + rounds + " were refused");
    }

    /// Where a value stands.
    private record Place(String path, String name) {
        void set(ObjectNode request, JsonNode value) {
            var parent = request.at(path);
            if (parent instanceof ArrayNode list) {
                list.set(Integer.parseInt(name), value);
            } else {
                ((ObjectNode) parent).set(name, value);
            }
        }
    }

    private static List<Place> places(JsonNode request) {
        var places = new ArrayList<Place>();
        addPlaces(request, "", places);
        return places;
    }

    private static void addPlaces(JsonNode node, String path, List<Place> places) {
        for (var member : node.properties()) {
            places.add(new Place(path, member.getKey()));
            addPlaces(member.getValue(), path + "/" + member.getKey(), places);
        }
        for (var i = 0; node.isArray() && i < node.size(); i++) {
            places.add(new Place(path, Integer.toString(i)));
            addPlaces(node.get(i), path + "/" + i, places);
        }
    }
}
