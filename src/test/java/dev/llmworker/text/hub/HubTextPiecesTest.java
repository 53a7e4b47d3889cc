package dev.llmworker.text.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.text.ModelTokenizer;
import dev.llmworker.text.RandomTexts;
import dev.llmworker.text.TextPieces;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Texts that are encoded in pieces have the tokens of the whole, whatever the steps of a `tokenizer.json` are.
@Concurrent
class HubTextPiecesTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int ROWS = 900;

    @TempDir
    private Path directory;

    /// @param isCut whether some texts are
    private record Kind(String name, JsonNode tokenizer, JsonNode config, boolean isCut) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static List<Kind> kinds() throws IOException {
        var kinds = new ArrayList<Kind>();
        for (var resource : List.of("/golden/hub_tokens.json", "/golden/added_tokens.json")) {
            try (var stream = HubTextPiecesTest.class.getResourceAsStream(resource)) {
                for (var golden : JSON.readTree(stream)) {
                    var name = golden.get("name").asText();
                    kinds.add(new Kind(name, golden.get("tokenizer"), golden.get("config"), true));
                }
            }
        }
        var byName = kinds.stream().collect(Collectors.toMap(Kind::name, kind -> kind));
        for (var steps : List.of(
                "{'type':'ByteLevel','add_prefix_space':true,'trim_offsets':true,'use_regex':true}",
                "{'type':'Sequence','pretokenizers':[{'type':'Digits','individual_digits':false},"
                        + "{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':true}]}",
                "{'type':'Sequence','pretokenizers':[{'type':'Split','pattern':{'Regex':'[\\\\r\\\\n]'},"
                        + "'behavior':'Isolated','invert':false},"
                        + "{'type':'Split','pattern':{'Regex':'\\\\s?\\\\p{L}+|\\\\s+$'},"
                        + "'behavior':'Isolated','invert':false},"
                        + "{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true,'use_regex':false}]}")) {
            kinds.add(changed(Objects.requireNonNull(byName.get("Llama 3")), "pre_tokenizer", steps));
        }
        for (var steps : List.of(
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'always','split':true}",
                "{'type':'Metaspace','replacement':'▁','prepend_scheme':'never','split':false}")) {
            kinds.add(changed(Objects.requireNonNull(byName.get("Mistral")), "pre_tokenizer", steps));
        }
        kinds.add(changed(
                Objects.requireNonNull(byName.get("Llama 2")),
                "pre_tokenizer",
                "{'type':'Split','pattern':{'String':' '},'behavior':'MergedWithPrevious','invert':false}"));
        return kinds;
    }

    private static Kind changed(Kind kind, String part, String steps) throws IOException {
        var tokenizer = ((ObjectNode) kind.tokenizer.deepCopy());
        tokenizer.set(part, JSON.readTree(steps.replace('\'', '"')));
        return new Kind(kind.name + " with " + steps, tokenizer, kind.config, true);
    }

    private ModelTokenizer tokenizer(Kind kind, int leastPiece) throws IOException {
        new SafetensorsFolder(ROWS).write(directory);
        JSON.writeValue(directory.resolve("tokenizer.json").toFile(), kind.tokenizer);
        JSON.writeValue(directory.resolve("tokenizer_config.json").toFile(), kind.config);
        try (var model = StoredModel.open(directory)) {
            return HubTokenizer.of((Safetensors) model, leastPiece);
        }
    }

    private static boolean isCut(ModelTokenizer tokenizer, String text) {
        Thread.currentThread().interrupt();
        try {
            tokenizer.encodeText(text);
            return false;
        } catch (CancellationException _) {
            return true;
        } finally {
            var _ = Thread.interrupted();
        }
    }

    /// One call of the library takes its time whoever waits, so none gets more.
    @ParameterizedTest
    @MethodSource("kinds")
    void aRunThatCannotBeCutHasALimit(Kind kind) throws IOException {
        var tokenizer = tokenizer(kind, TextPieces.LEAST);
        var run = "x".repeat(TextPieces.MOST + 1);
        for (var text : List.of(run, "a b. ".repeat(10) + run + " c", "\u0301".repeat(TextPieces.MOST + 1))) {
            var refused = assertThrows(IllegalArgumentException.class, () -> tokenizer.encodeText(text));
            assertTrue(String.valueOf(refused.getMessage()).contains("the limit is 262144"), refused.toString());
        }
    }

    @Seeded
    @ParameterizedTest
    @MethodSource("kinds")
    void piecesHaveTheTokensOfTheWhole(Kind kind) throws IOException {
        var cut = tokenizer(kind, 1);
        var whole = tokenizer(kind, Integer.MAX_VALUE);
        var names = StreamSupport.stream(kind.tokenizer.get("added_tokens").spliterator(), false)
                .map(token -> token.get("content").asText())
                .flatMap(name -> Stream.of(name, name, name.substring(0, (name.length() + 1) / 2), " " + name))
                .toList();
        var random = Seeds.random();
        var cuts = 0;
        for (var round = 0; round < Seeds.rounds(150); round++) {
            var text = RandomTexts.next(random, names, 1 + random.nextInt(40));
            assertArrayEquals(whole.encodeText(text), cut.encodeText(text), text);
            assertArrayEquals(whole.encodeWithControlTokens(text), cut.encodeWithControlTokens(text), text);
            cuts += isCut(cut, text) ? 1 : 0;
        }
        assertTrue(cuts > 8 == kind.isCut, kind + ": " + cuts + " texts are cut");
    }
}
