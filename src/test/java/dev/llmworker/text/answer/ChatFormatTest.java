package dev.llmworker.text.answer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.ConstraintState;
import dev.llmworker.constraint.Expression;
import dev.llmworker.constraint.TokenTrie;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.ScriptedModel;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.Detokenizer;
import dev.llmworker.text.Tokenizer;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Each format: what it takes apart, wherever the text is cut, and that its grammar allows just this.
@Concurrent
class ChatFormatTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Tool WEATHER = new Tool("get_weather", "The weather", """
        {"type":"object","properties":{
          "place":{"type":"string"},
          "unit":{"anyOf":[{"type":"string","enum":["c","f"]},{"type":"null"}]},
          "days":{"$ref":"#/$defs/days"},
          "at":{"type":"object","properties":{"lat":{"type":"number"}},"required":["lat"],"additionalProperties":false},
          "tags":{"type":"array","items":{"type":"string"}},
          "more":{"type":"object","additionalProperties":{"anyOf":[{"type":["boolean","null"]},{"$ref":"#/$defs/pair"}]}}
        },"required":["place"],"$defs":{"days":{"type":"integer","minimum":1,"maximum":7},
          "pair":{"type":"object","properties":{"a":{"enum":["x y",1,null]},"b":{"type":"string"}},"required":["b"],
          "additionalProperties":false}}}\
        """, true);
    private static final Tool CLOCK = new Tool("clock", "The time");
    private static final ToolUse BOTH = new ToolUse(List.of(WEATHER, CLOCK), ToolChoice.AUTO, true);

    private static final String WEATHER_CALL = "get_weather {\"place\":\"Zürich \\\"x\\\"\",\"days\":2}";
    private static final String ARGUMENTS = "{\"place\": \"Zürich \\\"x\\\"\", \"days\": 2}";
    private static final String[] BOTH_CALLS = {WEATHER_CALL, "clock {}"};
    private static final String PLACE = "Zürich \"x\"";
    private static final List<String> DEEPSEEK = List.of(
            "<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "<｜tool▁calls▁end｜>");

    /// An answer and what it is.
    ///
    /// @param controls markers that are control tokens in the models of this family
    /// @param start where the prompt leaves off
    record Sample(
            String format,
            ChatForms forms,
            List<String> controls,
            ChatFormat.Start start,
            String answer,
            String reasoning,
            String content,
            List<String> calls) {
        @Override
        public String toString() {
            return format + ": " + answer;
        }
    }

    private static Sample sample(String name, List<String> controls, String answer, String content, String... calls) {
        var format = ToolFormat.named(name).orElseThrow();
        return new Sample(
                name,
                ChatForms.of(format, "</think>"),
                controls,
                ChatFormat.Start.OPEN,
                answer,
                "",
                content,
                List.of(calls));
    }

    private static Sample thinking(
            Sample sample, String source, ChatFormat.Start start, String before, String reasoning) {
        return new Sample(
                sample.format,
                ChatForms.of(sample.forms.tools(), source),
                sample.controls,
                start,
                before + sample.answer,
                reasoning,
                sample.content,
                sample.calls);
    }

    static Stream<Sample> samples() {
        return Stream.of(tagged(), writtenOneByOne(), writtenAsText(), listed(), withControlTokens(), named(), lists())
                .flatMap(samples -> samples);
    }

    private static Stream<Sample> tagged() {
        var hermes = sample(
                "hermes",
                List.of(),
                "I look.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": " + ARGUMENTS
                        + "}\n</tool_call>\n<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}\n</tool_call>",
                "I look.",
                BOTH_CALLS);
        return Stream.of(
                hermes,
                sample("hermes", List.of(), "a <tool_call> b <tool_ c < d \n", "a <tool_call> b <tool_ c < d \n"),
                sample("json", List.of(), hermes.answer, hermes.content, BOTH_CALLS),
                thinking(hermes, "</think>", ChatFormat.Start.OPEN, "<think>\nHm </thi\n</think>\n\n", "Hm </thi"),
                thinking(hermes, "</think>", ChatFormat.Start.REASONING, "\nHm\n</think>\n\n", "Hm"),
                thinking(hermes, "</think>", ChatFormat.Start.REASONING, "<think>\nHm\n</think>\n\n", "Hm"),
                harmony(
                        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
                                + "to=functions.get_weather <|constrain|>json<|message|>" + ARGUMENTS,
                        "Hm.",
                        "",
                        WEATHER_CALL),
                harmony(
                        "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>commentary<|message|>I"
                                + " look.<|end|><|start|>assistant to=functions.clock<|channel|>commentary"
                                + " json<|message|>{}",
                        "Hm",
                        "I look.",
                        "clock {}"),
                harmony("<|channel|>final<|message|>Text to=functions.clock", "", "Text to=functions.clock"));
    }

    private static Stream<Sample> writtenOneByOne() {
        return Stream.of(
                sample(
                        "qwen3-coder",
                        List.of(),
                        "Now\n<tool_call>\n<function=get_weather>\n<parameter=place>\n" + PLACE
                                + "\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>\n"
                                + "<tool_call>\n<function=clock>\n</function>\n</tool_call>",
                        "Now",
                        BOTH_CALLS),
                sample(
                        "qwen3-coder",
                        List.of(),
                        "<tool_call>\n"
                                + "<function=get_weather>\n"
                                + "<parameter=place>\n"
                                + "null\n"
                                + "</parameter>\n"
                                + "<parameter=unit>\n"
                                + "null\n"
                                + "</parameter>\n"
                                + "<parameter=at>\n"
                                + "{\"lat\": 1.5}\n"
                                + "</parameter>\n"
                                + "</function>\n"
                                + "</tool_call>",
                        "",
                        "get_weather {\"place\":\"null\",\"unit\":null,\"at\":{\"lat\":1.5}}"),
                sample(
                        "seed",
                        List.of(),
                        "<seed:tool_call>\n<function=get_weather>\n<parameter=place>" + PLACE
                                + "</parameter>\n<parameter=days>2</parameter>\n</function>\n</seed:tool_call>",
                        "",
                        WEATHER_CALL),
                sample(
                        "glm",
                        List.of(
                                "<tool_call>",
                                "</tool_call>",
                                "<arg_key>",
                                "</arg_key>",
                                "<arg_value>",
                                "</arg_value>"),
                        "<tool_call>get_weather\n<arg_key>place</arg_key>\n<arg_value>" + PLACE
                                + "</arg_value>\n<arg_key>unit</arg_key>\n<arg_value>c</arg_value>\n</tool_call>\n"
                                + "<tool_call>clock\n</tool_call>",
                        "",
                        "get_weather {\"place\":\"Zürich \\\"x\\\"\",\"unit\":\"c\"}",
                        "clock {}"));
    }

    private static Stream<Sample> writtenAsText() {
        return Stream.of(
                sample(
                        "glm-4.7",
                        List.of(),
                        "<tool_call>get_weather<arg_key>place</arg_key><arg_value>" + PLACE
                                + "</arg_value><arg_key>days</arg_key><arg_value>2</arg_value></tool_call>",
                        "",
                        WEATHER_CALL),
                sample(
                        "deepseek-v3.2",
                        List.of(),
                        "Yes\n\n<｜DSML｜function_calls>\n<｜DSML｜invoke name=\"get_weather\">\n"
                                + "<｜DSML｜parameter name=\"place\" string=\"true\">" + PLACE
                                + "</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">2"
                                + "</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"clock\">\n"
                                + "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
                        "Yes",
                        BOTH_CALLS),
                sample(
                        "minimax",
                        List.of("<minimax:tool_call>", "</minimax:tool_call>"),
                        "<minimax:tool_call>\n<invoke name=\"get_weather\">\n<parameter name=\"place\">" + PLACE
                                + "</parameter>\n<parameter name=\"days\">2</parameter>\n</invoke>\n"
                                + "</minimax:tool_call>",
                        "",
                        WEATHER_CALL),
                sample(
                        "gemma4",
                        List.of("<|tool_call>", "<tool_call|>", "<|\"|>"),
                        "Yes<|tool_call>call:get_weather{place:<|\"|>" + PLACE
                                + "<|\"|>,days:2}<tool_call|><|tool_call>call:clock{}<tool_call|>",
                        "Yes",
                        BOTH_CALLS));
    }

    /// Values have a notation of their own, however deep they are.
    private static Stream<Sample> listed() {
        var quotes = List.of("<|tool_call>", "<tool_call|>", "<|\"|>");
        var deep = "<|tool_call>call:get_weather{place:<|\"|>a, {b}\\n\"<|\"|>,unit:null,at:{lat:-1.5},"
                + "tags:[<|\"|>x<|y<|\"|>,<|\"|><|\"|>],more:{k-l:true,m:{a:<|\"|>x y<|\"|>,b:<|\"|>}]<|\"|>},n:null}}<tool_call|>";
        var call = "get_weather {\"place\":\"a, {b}\\\\n\\\"\",\"unit\":null,\"at\":{\"lat\":-1.5},"
                + "\"tags\":[\"x<|y\",\"\"],\"more\":{\"k-l\":true,\"m\":{\"a\":\"x y\",\"b\":\"}]\"},\"n\":null}}";
        var start = List.of("<|tool_call_start|>", "<|tool_call_end|>");
        return Stream.of(
                sample("gemma4", List.of(), deep, "", call),
                sample("gemma4", quotes, deep, "", call),
                sample(
                        "gemma4",
                        quotes,
                        "<|tool_call>call:get_weather{place:<|\"|><|\"|>,tags:[]}<tool_call|>",
                        "",
                        "get_weather {\"place\":\"\",\"tags\":[]}"),
                sample(
                        "lfm2",
                        start,
                        "Yes<|tool_call_start|>[get_weather(place=\"" + PLACE.replace("\"", "\\\"")
                                + "\", days=2), clock()]<|tool_call_end|>",
                        "Yes",
                        BOTH_CALLS),
                sample(
                        "lfm2",
                        start,
                        "<|tool_call_start|>[get_weather(place='it\\'s \"a\", (b)\\n', unit=None, at={'lat': 1e5}, tags=['x', \"y'\"],"
                                + " more={\"k\": True, 'm': {'a': null, 'b': '\\u00e9'}})]<|tool_call_end|>",
                        "",
                        "get_weather {\"place\":\"it's \\\"a\\\", (b)\\n\",\"unit\":null,\"at\":{\"lat\":100000.0},"
                                + "\"tags\":[\"x\",\"y'\"],\"more\":{\"k\":true,\"m\":{\"a\":null,\"b\":\"é\"}}}"));
    }

    private static Stream<Sample> named() {
        var cohere = sample(
                "cohere",
                List.of("<|START_ACTION|>", "<|END_ACTION|>", "<|START_THINKING|>", "<|END_THINKING|>"),
                "<|START_ACTION|>[\n    {\"tool_call_id\": \"0\", \"tool_name\": \"get_weather\", \"parameters\": "
                        + ARGUMENTS
                        + "},\n    {\"tool_call_id\": \"1\", \"tool_name\": \"clock\", \"parameters\": {}}\n]<|END_ACTION|>",
                "",
                BOTH_CALLS);
        var text = sample("cohere", List.of(), "<|START_RESPONSE|>Hello.<|END_RESPONSE|>", "Hello.");
        return Stream.of(
                cohere,
                thinking(
                        cohere,
                        "<|START_THINKING|>",
                        ChatFormat.Start.OPEN,
                        "<|START_THINKING|>Hm<|END_THINKING|>",
                        "Hm"),
                thinking(
                        text,
                        "<|START_THINKING|> <|START_RESPONSE|>",
                        ChatFormat.Start.OPEN,
                        "<|START_THINKING|>Hm<|END_THINKING|>",
                        "Hm"),
                sample(
                        "apertus",
                        List.of("<|tools_prefix|>", "<|tools_suffix|>"),
                        "Yes<|tools_prefix|>[{\"get_weather\": " + ARGUMENTS + "}, {\"clock\": {}}]<|tools_suffix|>",
                        "Yes",
                        BOTH_CALLS),
                thinking(
                        sample(
                                "apertus",
                                List.of("<|inner_prefix|>", "<|inner_suffix|>"),
                                "<|tools_prefix|>[{\"clock\": {}}]<|tools_suffix|>",
                                "",
                                "clock {}"),
                        "<|inner_prefix|>",
                        ChatFormat.Start.OPEN,
                        "<|inner_prefix|>Hm<|inner_suffix|>",
                        "Hm"),
                sample(
                        "functionary",
                        List.of(),
                        "<function=get_weather>" + ARGUMENTS + "</function><function=clock>{}</function>",
                        "",
                        BOTH_CALLS));
    }

    private static Stream<Sample> withControlTokens() {
        return Stream.of(
                sample(
                        "deepseek-v3",
                        DEEPSEEK,
                        "Yes<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
                                + ARGUMENTS + "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>clock\n"
                                + "```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
                        "Yes",
                        BOTH_CALLS),
                sample(
                        "deepseek-v3.1",
                        DEEPSEEK,
                        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>" + ARGUMENTS
                                + "<｜tool▁call▁end｜><｜tool▁call▁begin｜>clock<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
                                + "<｜tool▁calls▁end｜>",
                        "",
                        BOTH_CALLS),
                sample(
                        "mistral-args",
                        List.of("[TOOL_CALLS]", "[ARGS]"),
                        "Well[TOOL_CALLS]get_weather[ARGS]" + ARGUMENTS + "[TOOL_CALLS]clock[ARGS]{}",
                        "Well",
                        BOTH_CALLS),
                sample(
                        "mistral-ids",
                        List.of("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"),
                        "[TOOL_CALLS]get_weather[CALL_ID]abcdefgh1[ARGS]" + ARGUMENTS,
                        "",
                        WEATHER_CALL),
                sample(
                        "kimi",
                        List.of("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>", "<|tool_call_begin|>"),
                        "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
                                + "<|tool_call_argument_begin|>" + ARGUMENTS
                                + "<|tool_call_end|><|tool_call_begin|>functions.clock:1<|tool_call_argument_begin|>{}"
                                + "<|tool_call_end|><|tool_calls_section_end|>",
                        "",
                        BOTH_CALLS));
    }

    private static Stream<Sample> lists() {
        return Stream.of(
                sample(
                        "mistral",
                        List.of("[TOOL_CALLS]"),
                        "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": " + ARGUMENTS
                                + "}, {\"name\": \"clock\", \"arguments\": {}}]",
                        "",
                        BOTH_CALLS),
                sample(
                        "mistral",
                        List.of("[TOOL_CALLS]"),
                        "[TOOL_CALLS] [{\"name\": \"clock\", \"arguments\": {}}]",
                        "",
                        "clock {}"),
                sample(
                        "granite",
                        List.of("<|tool_call|>"),
                        "<|tool_call|>[{\"name\": \"get_weather\", \"arguments\": " + ARGUMENTS
                                + "}, {\"name\": \"clock\", \"arguments\": {}}]",
                        "",
                        BOTH_CALLS),
                sample(
                        "apriel",
                        List.of(),
                        "<tool_calls>[{\"name\": \"get_weather\", \"arguments\": " + ARGUMENTS + "}]</tool_calls>",
                        "",
                        WEATHER_CALL),
                sample(
                        "nemotron",
                        List.of(),
                        "<TOOLCALL>[{\"name\": \"get_weather\", \"arguments\": " + ARGUMENTS + "}]</TOOLCALL>",
                        "",
                        WEATHER_CALL),
                sample(
                        "llama3",
                        List.of("<|python_tag|>"),
                        "{\"name\": \"get_weather\", \"parameters\": " + ARGUMENTS + "}",
                        "",
                        WEATHER_CALL),
                sample(
                        "llama3",
                        List.of("<|python_tag|>"),
                        "<|python_tag|>{\"name\": \"clock\", \"parameters\": {}}",
                        "",
                        "clock {}"),
                sample(
                        "llama3",
                        List.of("<|python_tag|>"),
                        "{\"type\": \"function\", \"name\": \"clock\", \"parameters\": {}}",
                        "",
                        "clock {}"),
                sample(
                        "llama3",
                        List.of(),
                        "{\"name\": \"Ann\"} or {\"name\": \"clock\"",
                        "{\"name\": \"Ann\"} or {\"name\": \"clock\""));
    }

    private static Sample harmony(String answer, String reasoning, String content, String... calls) {
        return new Sample(
                "harmony",
                ChatForms.of(ToolFormat.named("harmony").orElseThrow(), "<|channel|>analysis"),
                List.of("<|channel|>", "<|message|>", "<|end|>", "<|start|>", "<|constrain|>"),
                ChatFormat.Start.OPEN,
                answer,
                reasoning,
                content,
                List.of(calls));
    }

    /// A parsed answer.
    record Parsed(String reasoning, String content, List<String> calls) {
        static Parsed of(List<AnswerPart> parts) throws Exception {
            var reasoning = new StringBuilder();
            var content = new StringBuilder();
            var names = new ArrayList<String>();
            var arguments = new ArrayList<StringBuilder>();
            for (var part : parts) {
                switch (part) {
                    case AnswerPart.Content(var text) -> content.append(text);
                    case AnswerPart.Reasoning(var text) -> reasoning.append(text);
                    case AnswerPart.CallStart(var index, var id, var name) -> {
                        assertEquals(names.size(), index);
                        assertTrue(id.matches("[a-zA-Z0-9]{9}"), id);
                        names.add(name);
                        arguments.add(new StringBuilder());
                    }
                    case AnswerPart.CallArguments(var index, var json) -> {
                        assertEquals(names.size() - 1, index);
                        arguments.get(index).append(json);
                    }
                }
            }
            var calls = new ArrayList<String>();
            for (var i = 0; i < names.size(); i++) {
                calls.add(names.get(i) + " " + JSON.readTree(arguments.get(i).toString()));
            }
            return new Parsed(reasoning.toString(), content.toString(), calls);
        }
    }

    private static Tokenizer tokenizer(List<String> controls) {
        return new ScriptedModel("<eos>", controls, List.of(), prompt -> prompt).tokenizer();
    }

    private static List<AnswerPart> parse(
            ChatFormat format, Sample sample, Tokenizer tokenizer, int[] ids, int joined) {
        var parser = format.parser(BOTH, sample.start);
        var parts = new ArrayList<AnswerPart>();
        var detokenizer = new Detokenizer(tokenizer);
        var text = new StringBuilder();
        for (var i = 0; i < ids.length; i++) {
            if (tokenizer.controlTokens().containsValue(ids[i])) {
                parts.addAll(parser.push(text.toString()));
                text.setLength(0);
                parts.addAll(parser.control(ids[i]));
            } else {
                text.append(detokenizer.push(ids[i]));
            }
            if (i >= joined) {
                parts.addAll(parser.push(text.toString()));
                text.setLength(0);
            }
        }
        parts.addAll(parser.push(text.toString()));
        parts.addAll(parser.end());
        assertEquals(sample.calls.size(), parser.calls(), sample.toString());
        return parts;
    }

    @ParameterizedTest
    @MethodSource("samples")
    void anAnswerIsTakenApartTheSameWhereverItIsCut(Sample sample) throws Exception {
        var tokenizer = tokenizer(sample.controls);
        var format = new ChatFormat(sample.forms, tokenizer.controlTokens());
        var ids = tokenizer.encodeWithControlTokens(sample.answer);
        var expected = new Parsed(sample.reasoning, sample.content, sample.calls);
        assertEquals(expected, Parsed.of(parse(format, sample, tokenizer, ids, ids.length)), "in one piece");
        assertEquals(expected, Parsed.of(parse(format, sample, tokenizer, ids, 0)), "byte by byte");
        for (var cut = 1; cut < ids.length; cut++) {
            assertEquals(expected, Parsed.of(parse(format, sample, tokenizer, ids, cut)), "cut at " + cut);
        }
    }

    private static Constraint compiled(Expression expression, Tokenizer tokenizer) {
        var controls = new BitSet();
        tokenizer.controlTokens().values().forEach(controls::set);
        var end = tokenizer.controlTokens().get("<eos>");
        return new Constraint(
                expression, new TokenTrie(tokenizer.vocabularySize(), tokenizer::bytes, controls, List.of(end)));
    }

    /// From the place on at which a call begins, the constraint takes the rest of the answer.
    @ParameterizedTest
    @MethodSource("calls")
    void theGrammarAllowsWhatTheParserTakesForACall(Sample sample) {
        var tokenizer = tokenizer(sample.controls);
        var format = new ChatFormat(sample.forms, tokenizer.controlTokens());
        var parser = format.parser(BOTH, sample.start);
        var constraints = new HashMap<Integer, Constraint>();
        var detokenizer = new Detokenizer(tokenizer);
        @Nullable ConstraintState state = null;
        for (var id : tokenizer.encodeWithControlTokens(sample.answer)) {
            if (state != null) {
                assertTrue(state.advance(id), "token " + id + " of " + sample);
            }
            if (tokenizer.controlTokens().containsValue(id)) {
                parser.control(id);
            } else {
                parser.push(detokenizer.push(id));
            }
            if (state == null && parser.isCalling()) {
                var form = parser.form();
                var constraint = constraints.computeIfAbsent(
                        form, _ -> compiled(format.calls(BOTH).get(form), tokenizer));
                state = constraint.begin(format.expression(parser.since()));
                assertNotNull(state, sample.toString());
            }
        }
        assertTrue(state != null && state.isComplete(), sample.toString());
    }

    static Stream<Sample> calls() {
        return samples().filter(sample -> !sample.calls.isEmpty());
    }

    /// One sample of each format and set of markers.
    static Stream<Sample> formats() {
        var seen = new HashSet<String>();
        return calls().filter(sample -> seen.add(sample.format));
    }

    /// Whatever the model chooses from what is allowed, its answer is calls of the tools, with arguments that match.
    @ParameterizedTest
    @MethodSource("formats")
    @Seeded
    void anAnswerAtRandomIsCallsThatMatchTheirSchema(Sample sample) {
        requireThatCallsMatch(sample, BOTH.tools(), Seeds.random(), Seeds.rounds(10));
    }

    /// Names that have marks of some notation in them, and names of the model's own.
    @ParameterizedTest
    @MethodSource("notations")
    @Seeded
    void callsMatchWhateverTheNamesOfMembersAre(Sample sample) {
        var random = Seeds.random();
        for (var round = 0; round < Seeds.rounds(20); round++) {
            var tool = new Tool("f", "", JSON.valueToTree(oddSchema(random, 0)).toString(), true);
            try {
                requireThatCallsMatch(sample, List.of(tool), random, 3);
            } catch (IllegalArgumentException e) {
                // The format cannot write the name of an argument or of a required member.
                assertTrue(String.valueOf(e.getMessage()).contains("writ"), e.getMessage());
            }
        }
    }

    /// One sample of each kind of form, and of each notation of values.
    static Stream<Sample> notations() {
        var names = List.of("gemma4", "lfm2", "qwen3-coder", "hermes");
        return formats().filter(sample -> names.contains(sample.format));
    }

    private static Map<String, Object> oddSchema(Random random, int depth) {
        var names = List.of(
                "a", "[x]", "]", ")b", "(", "a)", "[", "Full Name", "size (m)", "ä", "-1", "null", "x:y", "it's");
        var properties = new LinkedHashMap<String, Object>();
        var required = new ArrayList<String>();
        for (var i = random.nextInt(4); i >= 0; i--) {
            // No argument can have one of the last two.
            var name = names.get(random.nextInt(depth == 0 ? names.size() - 2 : names.size()));
            properties.put(
                    name,
                    switch (random.nextInt(depth > 2 ? 4 : 8)) {
                        case 0 -> Map.of("type", "string", "maxLength", 3);
                        case 1 -> Map.of("type", "integer");
                        case 2 -> Map.of("enum", List.of("x", 1, "it's \"\\"));
                        case 3 -> Map.of("type", List.of("boolean", "null"));
                        case 4 -> Map.of("type", "array", "items", oddSchema(random, depth + 1));
                        case 5 -> Map.of("type", "object", "maxProperties", 2);
                        default -> oddSchema(random, depth + 1);
                    });
            if (random.nextInt(4) == 0) {
                required.add(name);
            }
        }
        var schema = new LinkedHashMap<String, Object>();
        schema.put("type", "object");
        schema.put("properties", properties);
        schema.put("required", required);
        if (random.nextBoolean()) {
            schema.put("additionalProperties", depth > 0 && random.nextBoolean());
        }
        return schema;
    }

    private static void requireThatCallsMatch(Sample sample, List<Tool> tools, Random random, int rounds) {
        var ends = List.of("\n</parameter>", "</parameter>", "</arg_value>", "</｜DSML｜parameter>", "<|\"|>");
        var tokenizer = new ScriptedModel("<eos>", sample.controls, ends, prompt -> prompt).tokenizer();
        var format = new ChatFormat(sample.forms, tokenizer.controlTokens());
        var use = new ToolUse(tools, ToolChoice.REQUIRED, true);
        var constraint = compiled(Objects.requireNonNull(format.answer(use, null)), tokenizer);
        var schemas = new HashMap<String, Constraint>();
        use.tools()
                .forEach(tool -> schemas.put(
                        tool.name(),
                        compiled(
                                new Expression.Json(new ToolSchema(tool).json(), Expression.Spacing.LIMITED),
                                tokenizer)));
        var seed = Seeds.seed();
        for (var round = 0; round < rounds; round++) {
            var ids = walk(constraint, tokenizer, random);
            var parser = format.parser(use, sample.start);
            var detokenizer = new Detokenizer(tokenizer);
            var parts = new ArrayList<AnswerPart>();
            for (var id : ids) {
                parts.addAll(
                        tokenizer.controlTokens().containsValue(id)
                                ? parser.control(id)
                                : parser.push(detokenizer.push(id)));
            }
            parts.addAll(parser.end());
            var arguments = new HashMap<Integer, String>();
            var names = new ArrayList<String>();
            for (var part : parts) {
                switch (part) {
                    case AnswerPart.CallStart start -> names.add(start.name());
                    case AnswerPart.CallArguments(var index, var json) -> arguments.merge(index, json, String::concat);
                    case AnswerPart.Content(var text) -> fail("text: " + text + ", seed " + seed);
                    case AnswerPart.Reasoning(var text) -> fail("reasoning: " + text + ", seed " + seed);
                }
            }
            assertEquals(names.size(), parser.calls(), "seed " + seed);
            assertTrue(parser.calls() > 0, "seed " + seed);
            for (var i = 0; i < names.size(); i++) {
                var json = Objects.requireNonNull(arguments.get(i));
                assertTrue(isAllowed(Objects.requireNonNull(schemas.get(names.get(i))), json), json + ", seed " + seed);
            }
        }
    }

    private static boolean isAllowed(Constraint schema, String json) {
        // Constraints always escape this character. JSON need not.
        var state = schema.begin(Expression.literal(json.replace("\u007f", "\\u007f")));
        return state != null && state.isComplete();
    }

    /// A random answer. It prefers what ends things, so that it becomes no longer than it must.
    private static List<Integer> walk(Constraint constraint, Tokenizer tokenizer, Random random) {
        var state = constraint.begin();
        var ids = new ArrayList<Integer>();
        while (!state.isFinished() && !(state.isComplete() && random.nextInt(4) == 0)) {
            var mask = BitSet.valueOf(state.mask());
            var allowed =
                    mask.stream().filter(id -> !tokenizer.isEndOfSequence(id)).toArray();
            var closing = mask.stream()
                    .filter(id -> id == '"' || id == '}' || id > 0xFF)
                    .filter(id -> !tokenizer.isEndOfSequence(id))
                    .toArray();
            var from = closing.length > 0 && random.nextInt(ids.size() > 300 ? 10 : 3) > 0 ? closing : allowed;
            var id = from[random.nextInt(from.length)];
            assertTrue(state.advance(id));
            ids.add(id);
            assertTrue(ids.size() < 20_000, "no end");
        }
        return ids;
    }

    @Test
    void namesThatAFormatCannotWriteAreRejected() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new ToolUse(List.of(new Tool("a\", \"b", "")), ToolChoice.AUTO, true));
        var odd = "{\"type\":\"object\",\"properties\":{\"a>b\":{\"type\":\"string\"}}}";
        var use = new ToolUse(List.of(new Tool("f", "", odd, false)), ToolChoice.AUTO, true);
        var format = new ChatFormat(ChatForms.of(ToolFormat.named("qwen3-coder").orElseThrow(), ""), Map.of());
        assertThrows(IllegalArgumentException.class, () -> format.calls(use));
        // The end of a call without arguments.
        var bracket = "{\"type\":\"object\",\"properties\":{\")b\":{\"type\":\"string\"}}}";
        assertThrows(IllegalArgumentException.class, () -> calls("lfm2", bracket));
        assertNotNull(calls("gemma4", bracket));
    }

    @Test
    void markersOfAllKindsOfTextAreSkipped() throws Exception {
        var source = "<|START_RESPONSE|> <|START_TEXT|>";
        var forms = ChatForms.of(ToolFormat.named("cohere").orElseThrow(), source);
        assertEquals("<|START_RESPONSE|>", forms.before());
        var parser = new ChatFormat(forms, Map.of()).parser(BOTH, ChatFormat.Start.OPEN);
        var parts = new ArrayList<>(parser.push("<|START_TEXT|>a<|END_TEXT|>"));
        parts.addAll(parser.end());
        assertEquals("a", Parsed.of(parts).content());
    }

    private static Expression calls(String format, String parameters) {
        var use = new ToolUse(List.of(new Tool("f", "", parameters, false)), ToolChoice.REQUIRED, false);
        return Objects.requireNonNull(
                new ChatFormat(ChatForms.of(ToolFormat.named(format).orElseThrow(), ""), Map.of()).answer(use, null));
    }

    private static String manyArguments(int count, String description) {
        return IntStream.range(0, count)
                .mapToObj(i -> "\"a" + i + "\":{\"type\":\"string\",\"description\":\"" + description + "\"}")
                .collect(Collectors.joining(",", "{\"type\":\"object\",\"properties\":{", "}}"));
    }

    /// References that meet again and again, in a circle and below each other, are followed once.
    @Test
    @Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void eachReferenceIsFollowedOnce() {
        var again = "{\"$ref\":\"#/$defs/a\"},".repeat(4);
        var circle =
                "{\"type\":\"object\",\"properties\":{\"x\":{\"$ref\":\"#/$defs/a\"}},\"$defs\":{\"a\":{\"anyOf\":["
                        + again + "{\"type\":\"string\"}]}}}";
        assertEquals(ToolSchema.Writing.TEXT, new ToolSchema(new Tool("f", "", circle, false)).writing("x"));
        var below = IntStream.range(0, 400)
                .mapToObj(i -> "\"d" + i + "\":{\"oneOf\":[" + ("{\"$ref\":\"#/$defs/d" + (i + 1) + "\"},").repeat(3)
                        + "{\"type\":\"null\"}]}")
                .collect(Collectors.joining(","));
        var ladder = "{\"type\":\"object\",\"properties\":{\"x\":{\"$ref\":\"#/$defs/d0\"}},\"$defs\":{" + below
                + ",\"d400\":{\"type\":\"string\"}}}";
        assertEquals(ToolSchema.Writing.TEXT_OR_NULL, new ToolSchema(new Tool("f", "", ladder, false)).writing("x"));
    }

    /// All arguments of a tool refer to one text of its schema, and each is in the constraint once.
    @Test
    void aConstraintGrowsWithTheArgumentsAndNotWithTheirSquare() {
        for (var format : List.of("gemma4", "qwen3-coder")) {
            var schemas = new ArrayList<String>();
            collectSchemas(calls(format, manyArguments(200, "")), schemas);
            assertEquals(200, schemas.size(), format);
            schemas.forEach(schema -> assertSame(schemas.getFirst(), schema));
        }
    }

    private static void collectSchemas(Expression expression, List<String> found) {
        switch (expression) {
            case Expression.Json json -> found.add(json.schema());
            case Expression.SchemaText text -> found.add(text.schema());
            case Expression.Sequence(var parts) -> parts.forEach(part -> collectSchemas(part, found));
            case Expression.Choice(var options) -> options.forEach(part -> collectSchemas(part, found));
            case Expression.Repeat repeat -> collectSchemas(repeat.body(), found);
            case Expression.Listing(var _, var items) -> items.forEach(item -> collectSchemas(item.body(), found));
            case Expression.Literal _, Expression.ControlToken _, Expression.Pattern _, Expression.TextUntil _ -> {}
        }
    }

    @Test
    void tooLongASchemaAndTooManyArgumentsAreRefusedByName() {
        var many = assertThrows(IllegalArgumentException.class, () -> calls("gemma4", manyArguments(257, "")));
        assertTrue(String.valueOf(many.getMessage())
                .startsWith("the parameters of f have 257 properties; the limit is 256"));
        assertNotNull(calls("hermes", manyArguments(257, "")));
        var large = manyArguments(2, "x".repeat(200_000));
        var tooLong = assertThrows(IllegalArgumentException.class, () -> calls("hermes", large));
        assertEquals(
                "the parameters of f have " + (large.length() + ",\"additionalProperties\":false".length())
                        + " characters; the limit is 262144",
                tooLong.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"Full Name", "[x]", "size (m)", "discount%", "a%25", "a+b", "a/b", "a~b", "ä%zz"})
    void anArgumentMayHaveAnyNameThatIsNoMarker(String name) {
        var parameters = "{\"type\":\"object\",\"properties\":{\"" + name
                + "\":{\"type\":\"integer\"}},\"required\":[\"" + name + "\"]}";
        var tokenizer = tokenizer(List.of());
        var begun = compiled(calls("gemma4", parameters), tokenizer)
                .begin(Expression.literal("<|tool_call>call:f{" + name + ":12}<tool_call|>"));
        assertTrue(begun != null && begun.isComplete());
    }

    /// A model that writes white space for ever costs no more with each token.
    @Test
    @Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
    void whiteSpaceIsHeldBackUpToALimit() throws Exception {
        var format = new ChatFormat(ChatForms.of(ToolFormat.named("hermes").orElseThrow(), "</think>"), Map.of());
        for (var start : ChatFormat.Start.values()) {
            var parser = format.parser(BOTH, start);
            var parts = new ArrayList<>(parser.push("a"));
            for (var i = 0; i < 150_000; i++) {
                parts.addAll(parser.push(" \n"));
            }
            var parsed = Parsed.of(parts);
            assertTrue(parsed.content().length() + parsed.reasoning().length() > 299_000, start.toString());
        }
    }

    @Test
    void longWhiteSpaceIsTakenApartTheSameWhereverItIsCut() throws Exception {
        for (var name : List.of("hermes", "llama3", "qwen3-coder")) {
            for (var source : List.of("</think>", "")) {
                var format = new ChatFormat(ChatForms.of(ToolFormat.named(name).orElseThrow(), source), Map.of());
                for (var spaces : List.of(1, 256, 257, 300)) {
                    for (var before : List.of("", "a", "<think>b", "<think>b</think>", "<think>")) {
                        var blank = " ".repeat(spaces);
                        for (var after : List.of(
                                "</think> c",
                                "<tool_call>\n{\"name\": \"clock\", \"arguments\": {}}",
                                "c",
                                "",
                                "<tool_c",
                                "{\"name\": \"clock\", \"parameters\": {}}")) {
                            var answer = before + blank + after;
                            var whole = format.parser(BOTH, ChatFormat.Start.OPEN);
                            var one = new ArrayList<>(whole.push(answer));
                            one.addAll(whole.end());
                            var pieces = format.parser(BOTH, ChatFormat.Start.OPEN);
                            var many = new ArrayList<AnswerPart>();
                            answer.chars().forEach(c -> many.addAll(pieces.push(Character.toString(c))));
                            many.addAll(pieces.end());
                            assertEquals(Parsed.of(one), Parsed.of(many), name + ": " + answer);
                        }
                    }
                }
            }
        }
    }

    @Test
    void eachFormatCanBeSet() throws Exception {
        for (var format : ToolFormat.all()) {
            var settings = Settings.read(Map.of("TOOL_FORMAT", format.name()));
            assertEquals(format.name(), settings.get(SettingsTable.TOOL_FORMAT));
        }
    }

    /// Text that looks like a control token is none.
    @Test
    void nobodyForgesAMarkerThatIsAControlToken() throws Exception {
        var format = new ChatFormat(
                ChatForms.of(ToolFormat.named("mistral-args").orElseThrow(), ""),
                Map.of("[TOOL_CALLS]", 300, "[ARGS]", 301));
        var parser = format.parser(BOTH, ChatFormat.Start.OPEN);
        var parts = new ArrayList<>(parser.push("[TOOL_CALLS]clock[ARGS]{} \uFDD0clock\uFDD1{}"));
        parts.addAll(parser.end());
        var parsed = Parsed.of(parts);
        assertEquals("[TOOL_CALLS]clock[ARGS]{} \uFFFDclock\uFFFD{}", parsed.content());
        assertEquals(List.of(), parsed.calls());
    }

    /// An answer holds its tools while it waits and runs.
    @Test
    void aToolsSchemaIsNotKeptAsATree() throws Exception {
        var schema = "{\"type\":\"object\",\"examples\":[[],[]],\"properties\":{\"a\":{\"items\":{}}}}";
        var held = new ArrayList<Object>();
        collectHeld(new ToolSchema(new Tool("f", "", schema, false)), held);
        assertTrue(held.contains("a"), "the walk finds what the arguments are");
        assertEquals(List.of(), held.stream().filter(JsonNode.class::isInstance).toList());
    }

    private static void collectHeld(@Nullable Object object, List<Object> held) throws IllegalAccessException {
        if (object == null) {
            return;
        }
        held.add(object);
        if (object instanceof Map<?, ?> map) {
            collectHeld(map.keySet(), held);
            collectHeld(map.values(), held);
        } else if (object instanceof Collection<?> all) {
            for (var one : all) {
                collectHeld(one, held);
            }
        } else if (object.getClass().getPackage() == ToolSchema.class.getPackage() && !(object instanceof Enum<?>)) {
            for (var field : object.getClass().getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers())) {
                    field.setAccessible(true);
                    collectHeld(field.get(object), held);
                }
            }
        }
    }
}
