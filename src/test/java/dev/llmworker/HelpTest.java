package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// The README and `./worker --help` name the same variables.
class HelpTest {
    private static final Pattern VARIABLE = Pattern.compile("\\b[A-Z][A-Z0-9]*(_[A-Z0-9]+)*\\b");

    private static TreeSet<String> variables(String text) {
        var found = new TreeSet<String>();
        VARIABLE.matcher(text).results().forEach(match -> found.add(match.group()));
        return found;
    }

    /// The first column of the table under Configuration.
    private static TreeSet<String> ofReadme() throws IOException {
        var configuration = Files.readString(Path.of("README.md"))
                .split("## Configuration")[1]
                .split("\n## ")[0];
        var found = new TreeSet<String>();
        configuration
                .lines()
                .filter(line -> line.startsWith("| `"))
                .forEach(line -> found.addAll(variables(line.split("\\|")[1])));
        return found;
    }

    @Test
    void everyVariableOfTheReadmeIsInTheHelp() throws Exception {
        var help = Files.readString(Path.of("worker")).split("Environment:")[1].split("Examples:")[0];
        var missing = ofReadme();
        assertTrue(missing.size() > 30, missing::toString);
        missing.removeAll(variables(help));
        assertEquals(new TreeSet<String>(), missing);
    }
}
