package dev.llmworker.text.answer;

import dev.llmworker.constraint.Constraint;
import dev.llmworker.constraint.Expression;
import dev.llmworker.constraint.TokenTrie;
import dev.llmworker.hub.StarterModelFile;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.gguf.GgufTokenizer;
import dev.llmworker.text.hub.HubTokenizer;
import dev.llmworker.text.tools.Tool;
import dev.llmworker.text.tools.ToolCall;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFile;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/// How often a format allows exactly one token, so that the model has nothing to choose: along answers as a
/// model's tokenizer writes them. In the test class path, for the starter model, and for folders that have a
/// `tokenizer.json`, each with the format of its model's calls:
///
/// ```
/// java --enable-native-access=ALL-UNNAMED dev.llmworker.text.answer.OneTokenShare [TOOL_FORMAT FOLDER]…
/// ```
///
/// Prints for each answer its tokens, those that had no alternative, and in how many runs they come.
final class OneTokenShare {
    private static final int ROWS = 1 << 19;

    private static final List<Tool> TOOLS =
            List.of(new Tool("get_weather", "", """
                {"type":"object","properties":{"city":{"type":"string"},"unit":{"enum":["celsius","fahrenheit"]},
                "days":{"type":"integer","minimum":1,"maximum":7}},"required":["city"],"additionalProperties":false}\
                """, false), new Tool("find_order", "", """
                {"type":"object","properties":{"number":{"type":"integer"}},"required":["number"]}""", false));
    private static final ToolCall WEATHER =
            new ToolCall("0", "get_weather", "{\"city\": \"Rome\", \"unit\": \"celsius\", \"days\": 3}");
    private static final ToolCall ORDER = new ToolCall("0", "find_order", "{\"number\": 4711}");

    private static final String PERSON = """
        {"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},
        "favourite_color":{"enum":["red","green","blue"]},"born":{"type":"string","format":"date"},
        "address":{"type":"object","properties":{"street":{"type":"string"},"postal_code":{"type":"string"}},
        "required":["street","postal_code"],"additionalProperties":false},
        "tags":{"type":"array","items":{"type":"string"}}},
        "required":["name","age","favourite_color","born","address","tags"],"additionalProperties":false}""";
    private static final String PERSON_ANSWER = """
        {"name": "Ann Lee", "age": 41, "favourite_color": "green", "born": "1984-02-29", "address": {"street": \
        "Main Street 5", "postal_code": "10115"}, "tags": ["friend", "chess"]}""";

    private final String model;
    private final ModelTokenizer tokenizer;
    private final TokenTrie tokens;
    private int steps;
    private int single;

    private OneTokenShare(String model, ModelTokenizer tokenizer) {
        this.model = model;
        this.tokenizer = tokenizer;
        var controls = new BitSet();
        tokenizer.controlTokens().values().forEach(controls::set);
        var ends = tokenizer.controlTokens().values().stream()
                .filter(tokenizer::isEndOfSequence)
                .toList();
        tokens = new TokenTrie(tokenizer.vocabularySize(), tokenizer::bytes, controls, ends);
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        try (var gguf = Gguf.open(StarterModelFile.path())) {
            new OneTokenShare("starter", GgufTokenizer.of(gguf.metadata())).run("json");
        }
        for (var i = 0; i + 1 < arguments.length; i += 2) {
            var folder = Files.createTempDirectory("one-token");
            for (var name : List.of("tokenizer.json", "tokenizer_config.json")) {
                Files.copy(Path.of(arguments[i + 1], name), folder.resolve(name));
            }
            Files.writeString(folder.resolve("config.json"), "{\"architectures\":[\"LlamaForCausalLM\"]}");
            new SafetensorsFile()
                    .tensor("model.embed_tokens.weight", TensorType.BF16, new float[ROWS], ROWS, 1)
                    .write(folder.resolve("model.safetensors"));
            try (var stored = StoredModel.open(folder)) {
                new OneTokenShare(arguments[i + 1], HubTokenizer.of((Safetensors) stored)).run(arguments[i]);
            }
        }
    }

    private void run(String name) {
        var use = new ToolUse(TOOLS, ToolChoice.REQUIRED, false);
        var tools = ToolFormat.named(name).orElseThrow();
        var format = new ChatFormat(ChatForms.of(tools, ""), tokenizer.controlTokens());
        var calls = Objects.requireNonNull(format.answer(use, null));
        measure(name, calls, tools.written(List.of(WEATHER)));
        measure(name, calls, tools.written(List.of(ORDER)));
        measure("person", new Expression.Json(PERSON), PERSON_ANSWER);
        measure(
                "person, one line",
                new Expression.Json(PERSON, Expression.Spacing.NONE),
                PERSON_ANSWER.replace(": ", ":").replace(", ", ","));
        measure("choice", Expression.choice(List.of("positive", "negative", "neutral")), "negative");
        System.out.println(String.format(
                Locale.ROOT, "%s: %d steps, %.1f %% with one token", model, steps, 100.0 * single / steps));
    }

    private void measure(String what, Expression expression, String answer) {
        var state = new Constraint(expression, tokens).begin();
        var own = 0;
        var runs = 0;
        var count = 0;
        var wasSingle = false;
        for (var id : tokenizer.encodeWithControlTokens(answer)) {
            var isSingle = BitSet.valueOf(state.mask()).cardinality() == 1;
            if (!state.advance(id)) {
                System.out.println(model + " " + what + ": no " + id + " after " + count + " tokens of " + answer);
                return;
            }
            count++;
            own += isSingle ? 1 : 0;
            runs += isSingle && !wasSingle ? 1 : 0;
            wasSingle = isSingle;
        }
        steps += count;
        single += own;
        System.out.println(String.format(
                Locale.ROOT, "%s %s: %d tokens, %d with no alternative, in %d runs", model, what, count, own, runs));
    }
}
