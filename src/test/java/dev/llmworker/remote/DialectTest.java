package dev.llmworker.remote;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.testing.Events;
import java.util.LinkedHashMap;
import java.util.List;
import org.junit.jupiter.api.Test;

/// In which words each kind of server is asked for a format.
class DialectTest {
    private static final AnswerFormat SCHEMA = new AnswerFormat.Json("guided_json", "{\"type\":\"integer\"}");
    private static final AnswerFormat REGEX = new AnswerFormat.Pattern("structured_outputs.regex", "^a[bc]+$");
    private static final AnswerFormat CHOICE = new AnswerFormat.Choice("guided_choice", List.of("a.b", "\"c\""));

    private static void assertAsked(String expected, Dialect dialect, AnswerFormat format, boolean isChat)
            throws Exception {
        var body = new LinkedHashMap<String, Object>();
        dialect.ask(new RemoteFormat(format), isChat, body);
        assertEquals(
                Events.json(expected.replace('\'', '"')), Events.json(new ObjectMapper().writeValueAsString(body)));
    }

    private static void assertRefused(String field, AnswerFormat format, boolean isChat) {
        var refusal = assertThrows(
                RefusedException.class,
                () -> Dialect.OPENAI.ask(new RemoteFormat(format), isChat, new LinkedHashMap<>()));
        assertEquals(RefusedException.Reason.INVALID, refusal.reason());
        assertTrue(String.valueOf(refusal.getMessage()).startsWith(field + " is not supported"), refusal + "");
    }

    @Test
    void aServerIsWhatItsListOfModelsSays() {
        assertEquals(Dialect.VLLM, Dialect.of("vllm"));
        assertEquals(Dialect.SGLANG, Dialect.of("sglang"));
        assertEquals(Dialect.LLAMA_CPP, Dialect.of("llamacpp"));
        assertEquals(Dialect.WORKER, Dialect.of("llm-worker"));
        for (var other : List.of("", "openai", "library", "organization_owner")) {
            assertEquals(Dialect.OPENAI, Dialect.of(other));
        }
    }

    @Test
    void jsonInAConversationIsAskedForInOpenAisWords() throws Exception {
        for (var dialect : Dialect.values()) {
            assertAsked(
                    "{'response_format':{'type':'json_schema','json_schema':{'name':'answer','strict':true,"
                            + "'schema':{'type':'integer'}}}}",
                    dialect,
                    SCHEMA,
                    true);
            assertAsked(
                    "{'response_format':{'type':'json_object'}}",
                    dialect,
                    AnswerFormat.Json.object("response_format"),
                    true);
        }
    }

    @Test
    void otherFormatsAreAskedForInTheServersWords() throws Exception {
        for (var isChat : new boolean[] {true, false}) {
            assertAsked("{'structured_outputs':{'regex':'^a[bc]+$'}}", Dialect.WORKER, REGEX, isChat);
            assertAsked(
                    "{'structured_outputs':{'regex':'^a[bc]+$'},'guided_regex':'^a[bc]+$'}",
                    Dialect.VLLM,
                    REGEX,
                    isChat);
            assertAsked("{'regex':'^a[bc]+$'}", Dialect.SGLANG, REGEX, isChat);
            assertAsked("{'regex':'(a\\\\.b|\\\"c\\\")'}", Dialect.SGLANG, CHOICE, isChat);
            assertAsked(
                    "{'structured_outputs':{'choice':['a.b','\\\"c\\\"']},'guided_choice':['a.b','\\\"c\\\"']}",
                    Dialect.VLLM,
                    CHOICE,
                    isChat);
            assertAsked(
                    "{'grammar':'root ::= \\\"\\\\U00000061\\\\U0000002E\\\\U00000062\\\" |"
                            + " \\\"\\\\U00000022\\\\U00000063\\\\U00000022\\\"'}",
                    Dialect.LLAMA_CPP,
                    CHOICE,
                    isChat);
        }
        assertAsked("{'structured_outputs':{'json':{'type':'integer'}}}", Dialect.WORKER, SCHEMA, false);
        assertAsked("{'json_schema':{'type':'integer'}}", Dialect.LLAMA_CPP, SCHEMA, false);
        assertAsked("{'json_schema':'{\\\"type\\\":\\\"integer\\\"}'}", Dialect.SGLANG, SCHEMA, false);
    }

    @Test
    void whatAServerCannotBeAskedForIsRefusedByItsName() {
        assertRefused("guided_json", SCHEMA, false);
        for (var isChat : new boolean[] {true, false}) {
            assertRefused("structured_outputs.regex", REGEX, isChat);
            assertRefused("guided_choice", CHOICE, isChat);
        }
        var within = new AnswerFormat.Pattern("guided_regex", "(a|b^)c");
        var refusal = assertThrows(
                RefusedException.class,
                () -> Dialect.LLAMA_CPP.ask(new RemoteFormat(within), true, new LinkedHashMap<>()));
        assertTrue(String.valueOf(refusal.getMessage()).startsWith("guided_regex: "), refusal + "");
        for (var dialect : Dialect.values()) {
            var ignored = new LinkedHashMap<String, Object>();
            dialect.ask(5, false, ignored);
            assertEquals(dialect == Dialect.WORKER ? 1 : 0, ignored.size());
            if (dialect != Dialect.WORKER) {
                assertThrows(RefusedException.class, () -> dialect.ask(5, true, new LinkedHashMap<>()));
            }
        }
    }
}
