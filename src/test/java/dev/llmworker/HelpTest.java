package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.settings.Setting;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.settings.SettingsTable.Section;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// `./worker --help` and docs/configuration.md say what the table of settings says, word for word. A failure prints the
/// text that belongs there: copy it.
class HelpTest {
    private static final int MAX_LINE = 120;
    private static final Pattern ASSIGNMENT = Pattern.compile("\\b([A-Z][A-Z0-9_]+)=([\\w.:/*,-]*[\\w/*])");
    private static final String HELP_ROW = "    %-26s  %s\n";

    /// What stands between two lines of a file.
    private static String between(String file, String first, String last) throws IOException {
        var text = Files.readString(Path.of(file));
        var start = text.indexOf(first);
        assertTrue(start >= 0, file + " has no line " + first);
        var end = text.indexOf(last, start);
        assertTrue(end >= 0, file + " has no line " + last + " after it");
        return text.substring(start + first.length(), end);
    }

    private static void assertSame(String file, String expected, String actual) {
        assertEquals(expected, actual, file + " must have this text instead:\n\n" + expected + "\n");
    }

    private static String helpOf(Section section) {
        return section.settings().stream()
                .map(setting -> HELP_ROW.formatted(assigned(setting), setting.help()))
                .collect(Collectors.joining("", "  " + section.title() + ":\n", ""));
    }

    private static String assigned(Setting<?> setting) {
        return setting.standard().isEmpty() ? setting.name() : setting.name() + "=" + setting.standard();
    }

    private static String tableOf(Section section) {
        return section.settings().stream()
                .map(setting -> "| `" + setting.name() + "` | " + code(setting.standard()) + " | "
                        + setting.help().replace("|", "\\|") + " |\n")
                .collect(Collectors.joining(
                        "", "### " + section.title() + "\n\n| Variable | Default | Meaning |\n|---|---|---|\n", "\n"));
    }

    private static String code(String text) {
        return text.isEmpty() ? "" : "`" + text + "`";
    }

    @Test
    void theHelpListsTheTable() throws Exception {
        var expected = SettingsTable.SECTIONS.stream().map(HelpTest::helpOf).collect(Collectors.joining());
        assertTrue(expected.lines().allMatch(line -> line.length() <= MAX_LINE), expected);
        assertSame("worker", expected, between("worker", "\nEnvironment:\n", "\nExamples:\n"));
    }

    @Test
    void whatTheDocumentationSetsIsAllowed() throws Exception {
        var settings = SettingsTable.all().collect(Collectors.toMap(Setting::name, setting -> setting));
        var checked = new TreeSet<String>();
        var files = new ArrayList<>(List.of(Path.of("README.md")));
        try (var pages = Files.walk(Path.of("docs"))) {
            pages.filter(page -> page.toString().endsWith(".md")).forEach(files::add);
        }
        for (var file : files) {
            var assignments = ASSIGNMENT.matcher(Files.readString(file));
            while (assignments.find()) {
                var setting = settings.get(assignments.group(1));
                if (setting != null) {
                    assertDoesNotThrow(() -> setting.parse(assignments.group(2)), file::toString);
                    checked.add(assignments.group());
                }
            }
        }
        assertTrue(checked.contains("QUEUE_LIMIT=0") && checked.size() > 20, checked::toString);
    }

    @Test
    void theDocumentationListsTheTable() throws Exception {
        var sections = Stream.concat(SettingsTable.SECTIONS.stream(), Stream.of(SettingsTable.PLATFORM));
        var expected = sections.map(HelpTest::tableOf).collect(Collectors.joining());
        var file = "docs/configuration.md";
        assertSame(file, expected, between(file, "<!-- the table of settings -->\n\n", "<!-- its end -->\n"));
    }
}
