package dev.llmworker.text.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.text.TextPieces;
import dev.llmworker.weights.Safetensors;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// What makes the tokenizers library end the process, in a process of its own.
@Timeout(180)
@Concurrent
class TokenizerAbortTest {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String LLAMA_3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
            + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

    @TempDir
    private Path directory;

    /// Encodes `PART` repeated `TIMES` times and `END` with the tokenizer of a folder.
    static final class Encoding {
        private Encoding() {}

        public static void main(String[] arguments) throws IOException {
            try (var model = StoredModel.open(Path.of(arguments[0]))) {
                var tokenizer = HubTokenizer.of((Safetensors) model);
                var text = arguments[1].repeat(Integer.parseInt(arguments[2])) + arguments[3];
                System.out.println("tokens: " + tokenizer.encodeText(text).length);
            } catch (IOException | IllegalArgumentException e) {
                System.out.println("refused: " + e.getMessage());
            }
        }
    }

    private String encoded(String part, int times, String end) throws Exception {
        var command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElseThrow(), "-Xmx1g", "-XX:-CreateCoredumpOnCrash"));
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(Encoding.class.getName(), directory.toString(), part, Integer.toString(times), end));
        var child = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .directory(directory.toFile())
                .start();
        var output = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, child.waitFor(), output);
        return output.strip();
    }

    /// A folder like Llama 3's with this regular expression.
    private void write(String regex) throws IOException {
        try (var stream = TokenizerAbortTest.class.getResourceAsStream("/golden/hub_tokens.json")) {
            for (var golden : JSON.readTree(stream)) {
                if (golden.get("name").asText().equals("Llama 3")) {
                    var file = (ObjectNode) golden.get("tokenizer");
                    var steps = (ArrayNode) file.at("/pre_tokenizer/pretokenizers");
                    ((ObjectNode) steps.get(0).get("pattern")).put("Regex", regex);
                    new SafetensorsFolder(700).write(directory);
                    Files.writeString(directory.resolve("tokenizer.json"), JSON.writeValueAsString(file));
                }
            }
        }
    }

    @Test
    void anExpressionThatGivesUpIsRefused() throws Exception {
        write("(x+x+)+y|[\\s\\S]");
        var outcome = encoded("x", 24, "!");
        assertTrue(outcome.startsWith("refused: "), outcome);
        assertTrue(outcome.contains("repeats a group that can match in several ways"), outcome);
    }

    @Test
    void aTextThatIsTooLongForASoundExpressionIsRefused() throws Exception {
        write(LLAMA_3);
        var outcome = encoded(" ", 12_000_000, "");
        assertTrue(outcome.startsWith("refused: prompt has 12000000 characters"), outcome);
    }

    @Test
    void theLongestTextThatIsNotRefusedIsEncoded() throws Exception {
        write(LLAMA_3);
        var outcome = encoded(" ", TextPieces.MOST - 1, "x");
        assertTrue(outcome.startsWith("tokens: "), outcome);
    }

    /// The library would look at each character of the run again for each one before it.
    @Test
    void aRunThatASoundExpressionLooksAtAgainAndAgainIsRefused() throws Exception {
        write("x+y|[\\s\\S]");
        var outcome = encoded("x", 20_000, "");
        assertTrue(outcome.startsWith("refused: prompt has a run of 20000 characters"), outcome);
        assertTrue(encoded("xz", 20_000, "").startsWith("tokens: "));
    }
}
