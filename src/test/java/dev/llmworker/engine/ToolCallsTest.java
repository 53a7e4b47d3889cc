package dev.llmworker.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.ScriptedModel;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.chat.ChatMessage;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Answers in parts through the real engine, with a model whose words the test writes.
@Timeout(180)
class ToolCallsTest {
    private static final String TEMPLATE = """
        {%- if tools %}<|im_start|>system
        {% for tool in tools %}{{ tool | tojson }}
        {% endfor %}<|im_end|>
        {% endif %}
        {%- for message in messages %}<|im_start|>{{ message.role }}
        {{ message.content }}
        {%- for call in message.tool_calls or [] %}
        <tool_call>
        {{ call.function | tojson }}
        </tool_call>
        {%- endfor %}<|im_end|>
        {% endfor %}
        {%- if add_generation_prompt %}<|im_start|>assistant
        {% endif %}\
        """;
    private static final Tool WEATHER = new Tool(
            "weather",
            "The weather",
            "{\"type\":\"object\",\"properties\":{\"place\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}},"
                    + "\"required\":[\"place\"]}",
            false);
    private static final Tool CLOCK = new Tool("clock", "The time");
    private static final String CALL =
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": \"Zürich\"}}\n</tool_call>";

    private record Answer(String content, String reasoning, List<String> calls, GenerationEvent.Finished end) {}

    private static ToolUse use(ToolChoice choice, boolean parallel) {
        return new ToolUse(List.of(WEATHER, CLOCK), choice, parallel);
    }

    private static GenerationRequest request(@Nullable AnswerParts parts, String... stop) {
        return new GenerationRequest(
                        new Prompt.Chat(List.of(ChatMessage.user("hello"))),
                        OptionalInt.of(400),
                        SamplingParameters.greedy(),
                        false,
                        0,
                        List.of(stop),
                        false)
                .withParts(parts);
    }

    private static AnswerParts parts(ToolUse use) {
        return new AnswerParts(use, OptionalInt.empty());
    }

    private static Answer answer(String script, String template, GenerationRequest request) {
        return joinedAnswer(script, "</think>", template, request);
    }

    /// @param joined is one token
    private static Answer joinedAnswer(String script, String joined, String template, GenerationRequest request) {
        var model = new ScriptedModel(
                "<|im_end|>", List.of("<|im_start|>"), List.of(joined, "<tool_call>", ">\n\n", "{\""), _ -> script);
        return answer(model, template, request);
    }

    private static Answer answer(ScriptedModel model, String template, GenerationRequest request) {
        try (var engine = model.start(template);
                var generation = engine.submit(request)) {
            generation.awaitAccepted();
            var content = new StringBuilder();
            var reasoning = new StringBuilder();
            var calls = new ArrayList<String>();
            for (var event : generation) {
                var added = switch (event) {
                    case GenerationEvent.Token token -> {
                        if (request.parts() == null) {
                            content.append(token.text());
                        }
                        yield token.parts();
                    }
                    case GenerationEvent.Finished finished -> finished.parts();
                };
                for (var part : added) {
                    switch (part) {
                        case AnswerPart.Content(var text) -> content.append(text);
                        case AnswerPart.Reasoning(var text) -> reasoning.append(text);
                        case AnswerPart.CallStart(var _, var _, var name) -> calls.add(name);
                        case AnswerPart.CallArguments(var index, var json) -> calls.set(index, calls.get(index) + json);
                    }
                }
                if (event instanceof GenerationEvent.Finished finished) {
                    return new Answer(content.toString(), reasoning.toString(), calls, finished);
                }
            }
        }
        throw new AssertionError("no end");
    }

    @Test
    void aCallIsTakenOutOfTheText() {
        var answer = answer("I look.\n" + CALL, TEMPLATE, request(parts(use(ToolChoice.AUTO, true))));
        assertEquals("I look.", answer.content());
        assertEquals(List.of("weather{\"place\": \"Zürich\"}"), answer.calls());
        assertEquals(FinishReason.TOOL_CALLS, answer.end().reason());
    }

    @Test
    void severalCallsAreAllowedOnlyIfTheRequestSaysSo() {
        var script = CALL + "\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>";
        assertEquals(
                List.of("weather{\"place\": \"Zürich\"}", "clock{}"),
                answer(script, TEMPLATE, request(parts(use(ToolChoice.AUTO, true))))
                        .calls());
        assertEquals(
                List.of("weather{\"place\": \"Zürich\"}"),
                answer(script, TEMPLATE, request(parts(use(ToolChoice.AUTO, false))))
                        .calls());
    }

    @Test
    void fromItsMarkerOnACallMatchesItsSchema() {
        var wrong = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": 17}}\n</tool_call>";
        var answer = answer(wrong, TEMPLATE, request(parts(use(ToolChoice.AUTO, false))));
        assertTrue(answer.calls().getFirst().startsWith("weather{\"place\": \""), answer.toString());
        var unknown = "<tool_call>\n{\"name\": \"moon\", \"arguments\": {}}\n</tool_call>";
        var other = answer(unknown, TEMPLATE, request(parts(use(ToolChoice.AUTO, false))));
        assertTrue(other.calls().getFirst().matches("(?s)(weather|clock)\\{.*"), other.toString());
    }

    @Test
    void aTokenThatBeginsACallAndDoesNotFitIsText() {
        for (var wrong : List.of(
                "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"place\": 17",
                "<tool_call>\n{\"name\": \"weather\", \"arguments\": 17}\n</tool_call>",
                "<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"moon\"",
                "I look.\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {\"a\"")) {
            var answer = joinedAnswer(wrong + ".", wrong, TEMPLATE, request(parts(use(ToolChoice.AUTO, true))));
            assertEquals(wrong + ".", answer.content());
            assertEquals(List.of(), answer.calls(), wrong);
            assertEquals(FinishReason.STOP, answer.end().reason());
        }
        // What fits goes on as a call.
        var begun = "I look.\n<tool_call>\n{\"name\": \"clock\", \"argu";
        var answer = joinedAnswer(
                begun + "ments\": {}}\n</tool_call>", begun, TEMPLATE, request(parts(use(ToolChoice.AUTO, true))));
        assertEquals(List.of("clock{}"), answer.calls());
        assertEquals("I look.", answer.content());
    }

    @Test
    void aRequiredCallIsWrittenWhateverTheModelWants() {
        var answer = answer("No.", TEMPLATE, request(parts(use(new ToolChoice.Named("clock"), false))));
        assertTrue(answer.calls().getFirst().startsWith("clock{"), answer.toString());
        assertEquals("", answer.content());
    }

    @Test
    void withoutToolsAMarkerIsText() {
        assertEquals(CALL, answer(CALL, TEMPLATE, request(parts(ToolUse.NONE))).content());
        assertEquals(
                CALL,
                answer(CALL, TEMPLATE, request(parts(use(ToolChoice.NONE, true))))
                        .content());
    }

    @Test
    void theReasoningComesApartAndIsFree() {
        var template = TEMPLATE + "{% if false %}<think></think>{% endif %}";
        var answer = answer(
                "<think>\nA call?\n</think>\n\n" + CALL, template, request(parts(use(ToolChoice.REQUIRED, true))));
        assertEquals("A call?", answer.reasoning());
        assertEquals(List.of("weather{\"place\": \"Zürich\"}"), answer.calls());
        assertTrue(answer.end().reasoningTokens() > 5, answer.toString());
    }

    @Test
    void anAnswerDoesNotEndInItsReasoningWhenACallMustFollow() throws Exception {
        var template = TEMPLATE.replace("assistant\n", "assistant\n<think>\n");
        var answer = answer("I had rather not.", template, request(parts(use(ToolChoice.REQUIRED, true))));
        assertEquals(FinishReason.LENGTH, answer.end().reason());
        assertTrue(answer.reasoning().startsWith("I had rather not."), answer.reasoning());
    }

    @Test
    void theReasoningThatTheTemplateBeginsEndsAtItsLimit() {
        var template = TEMPLATE.replace("assistant\n", "assistant\n<think>\n");
        var parts = new AnswerParts(ToolUse.NONE, OptionalInt.of(10));
        var answer = answer("0123456789abcdefghij</think>\n\nYes.", template, request(parts));
        assertEquals("0123456789", answer.reasoning());
        // The script is left: the model ends its answer at once.
        assertEquals("", answer.content());
        assertEquals(FinishReason.STOP, answer.end().reason());
    }

    @Test
    void aFormatBeginsAfterTheReasoning() {
        var template = TEMPLATE.replace("assistant\n", "assistant\n<think>\n");
        var format = new AnswerFormat.Choice("choice", List.of("yes", "no"));
        var answer = answer(
                "Well.\n</think>\n\nno", template, request(parts(ToolUse.NONE)).withFormat(format));
        assertEquals("Well.", answer.reasoning());
        assertEquals("no", answer.content());
    }

    /// A model of SentencePiece puts a space before each text. It is no part of a free answer, but of one of the
    /// choices.
    @Test
    void aChoiceMayBeginWithASpace() {
        var options = List.of(" yes", "yes", "no ");
        var format = new AnswerFormat.Choice("choice", options);
        var thinks = TEMPLATE + "{% if false %}<think></think>{% endif %}";
        var thought = TEMPLATE.replace("assistant\n", "assistant\n<think>\n\n</think>\n\n");
        for (var option : options) {
            for (var template : List.of(TEMPLATE, thinks, thought)) {
                for (var request : List.of(
                        request(null), request(parts(ToolUse.NONE)), request(parts(use(ToolChoice.AUTO, true))))) {
                    var answer = answer(sentencePiece(option), template, request.withFormat(format));
                    assertEquals(option, answer.content(), template);
                }
            }
        }
        assertEquals(
                "yes", answer(sentencePiece(" yes"), TEMPLATE, request(null)).content());
    }

    /// White space is between the reasoning and the answer, so that nobody can tell a space that begins the
    /// answer.
    @Test
    void afterReasoningAChoiceHasNoSpaceAtItsBeginning() {
        var template = TEMPLATE + "{% if false %}<think></think>{% endif %}";
        var format = new AnswerFormat.Choice("choice", List.of(" yes", "yes", "no "));
        var answer = answer(
                sentencePiece("<think>\nHm.\n</think>\n\n yes"),
                template,
                request(parts(ToolUse.NONE)).withFormat(format));
        assertEquals("yes", answer.content());
    }

    private static ScriptedModel sentencePiece(String script) {
        return new ScriptedModel("<|im_end|>", List.of("<|im_start|>"), List.of(" yes"), _ -> script)
                .withLeadingSpace();
    }

    /// One token has the end of the reasoning and text that does not fit: the text is dropped.
    @Test
    void whatComesWithTheEndOfTheReasoningAndDoesNotFitIsDropped() {
        var template = TEMPLATE.replace("assistant\n", "assistant\n<think>\n");
        var format = new AnswerFormat.Choice("choice", List.of("yes", "no"));
        for (var joined : List.of("</think>maybe", "</think><tool_call>\n{\"name\": \"clock\", \"arguments\": 17")) {
            var request = request(parts(use(ToolChoice.AUTO, true))).withFormat(format);
            var answer = joinedAnswer("Well." + joined + "no", joined, template, request);
            assertEquals("Well.", answer.reasoning());
            assertTrue(List.of("yes", "no").contains(answer.content()), answer.toString());
            assertEquals(List.of(), answer.calls());
        }
    }

    @Test
    void aStopSequenceCutsTheTextOnly() {
        var answer = answer("Hi there.\n" + CALL, TEMPLATE, request(parts(use(ToolChoice.AUTO, true)), "there"));
        assertEquals("Hi ", answer.content());
        assertEquals(List.of(), answer.calls());
        assertEquals(FinishReason.STOP, answer.end().reason());
        var called = answer(CALL, TEMPLATE, request(parts(use(ToolChoice.AUTO, true)), "place"));
        assertEquals(List.of("weather{\"place\": \"Zürich\"}"), called.calls());
    }

    /// The parser holds the last token back, because a call may begin with it.
    @Test
    void aStopSequenceThatIsCompleteAtTheLimitEndsTheText() {
        var whole = request(parts(use(ToolChoice.AUTO, true)), "a<");
        var request = new GenerationRequest(
                        whole.prompt(), OptionalInt.of(3), whole.sampling(), false, 0, whole.stop(), false)
                .withParts(whole.parts());
        var answer = answer("xa<b", TEMPLATE, request);
        assertEquals("x", answer.content());
        assertEquals(FinishReason.STOP, answer.end().reason());
        assertEquals("a<", answer.end().stopSequence());
    }

    /// The schema is allowed as JSON, and the model's own notation cannot write it.
    @Test
    void aSchemaThatTheModelsNotationCannotWriteIsNamedThoughThereIsAFormat() {
        var tool = new Tool(
                "odd",
                "",
                "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"object\",\"properties\":{\"b:c\":{}},"
                        + "\"required\":[\"b:c\"]}}}",
                false);
        var template = "{#- <|tool_call> -#}{% for tool in tools %}{{ tool | tojson }}{% endfor %}"
                + "{% for message in messages %}<|im_start|>{{ message.content }}{% endfor %}";
        var use = new ToolUse(List.of(CLOCK, tool), ToolChoice.AUTO, true);
        var request = request(parts(use)).withFormat(new AnswerFormat.Json("response_format", "{\"type\":\"object\"}"));
        var refused = assertThrows(RefusedException.class, () -> answer("", template, request));
        assertEquals(
                "tools: the parameters of odd: the name \"b:c\" cannot be written in this model's format",
                refused.getMessage());
    }

    @Test
    void aSchemaThatCannotBeEnforcedIsNamed() {
        var tool = new Tool("odd", "", "{\"type\":\"object\",\"properties\":{\"a\":{\"not\":{}}}}", false);
        var use = new ToolUse(List.of(CLOCK, tool), ToolChoice.AUTO, true);
        var refused = assertThrows(RefusedException.class, () -> answer("", TEMPLATE, request(parts(use))));
        assertEquals("tools: the parameters of odd: $.properties.a.not is not supported", refused.getMessage());
    }
}
