package dev.llmworker.child;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.child.CommandLine.Placeholder;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CommandLineTest {
    private static List<String> words(String text) {
        return CommandLine.parse(text).words();
    }

    private static void assertWrong(String text, String message) {
        assertEquals(
                message,
                assertThrows(IllegalArgumentException.class, () -> CommandLine.parse(text))
                        .getMessage());
    }

    @Test
    void itIsSplitAsAShellSplits() {
        assertEquals(List.of("a", "b", "c"), words("  a\tb \n c "));
        assertEquals(List.of("a b", "c d", "ef"), words("'a b' \"c d\" e\"f\""));
        assertEquals(List.of("a", "", "b"), words("a '' b"));
        assertEquals(List.of("a b", "\\", "'", "c"), words("a\\ b '\\' \\' c"));
        assertEquals(List.of("say \"hi\"", "\\n", "$x", "ab"), words("\"say \\\"hi\\\"\" \"\\n\" \"\\$x\" \"a\\\nb\""));
        assertEquals(List.of("a", "bc"), words("a b\\\nc"));
        assertEquals(List.of("Grüße", "日本"), words("Grüße 日本"));
    }

    @Test
    void noShellReadsIt() {
        var all = List.of("a", "$HOME", "*", "|", "b;c", "&&", ">x", "`d`", "~", "#e", "$(f)");
        assertEquals(all, words(String.join(" ", all)));
    }

    @Test
    void whatIsWrongIsNamed() {
        assertWrong("a 'b", "has a ' that is not closed");
        assertWrong("a \"b", "has a \" that is not closed");
        assertWrong("a \"b\\", "has a \" that is not closed");
        assertWrong("a \\", "ends with a backslash");
        assertWrong("  ", "names no program");
        assertWrong("'' a", "names no program");
        for (var unknown : List.of("{prt}", "{PORT}", "{model-path}", "{Model}", "{x1}")) {
            assertWrong(
                    "a --x=" + unknown,
                    "has the placeholder " + unknown
                            + ", which does not exist; there are {model}, {model_path}, {port}, {context}");
        }
    }

    @Test
    void jsonIsNoPlaceholder() {
        var json = "'{\"a\": {\"b\": 1}, \"c\": {}}'";
        assertEquals(
                List.of("x", json.replace("'", ""), "{}", "{ port }", "{1}"),
                words("x " + json + " {} '{ port }' {1}"));
        assertEquals(Set.of(), CommandLine.parse("x " + json).placeholders());
    }

    @Test
    void doubleBracesStayAsTheyAre() {
        var command = CommandLine.parse("x --chat-template '{{messages}}{{port}}' '{\"p\":{\"q\":{port}}}'");
        assertEquals(Set.of(Placeholder.PORT), command.placeholders());
        assertEquals(
                List.of("x", "--chat-template", "{{messages}}{{port}}", "{\"p\":{\"q\":80}}"),
                command.filled(Map.of(Placeholder.PORT, "80")));
    }

    @Test
    void placeholdersAreFilledAfterTheSplit() {
        var command = CommandLine.parse("x --model '{model_path}' --url=http://h:{port}/{port} {context}{model}");
        assertEquals(Set.of(Placeholder.values()), command.placeholders());
        assertEquals(
                List.of("x", "--model", "/a folder/\"{port}\" $1\\", "--url=http://h:80/80", "4096o/m; rm"),
                command.filled(Map.of(
                        Placeholder.MODEL_PATH,
                        "/a folder/\"{port}\" $1\\",
                        Placeholder.PORT,
                        "80",
                        Placeholder.CONTEXT,
                        "4096",
                        Placeholder.MODEL,
                        "o/m; rm")));
    }
}
