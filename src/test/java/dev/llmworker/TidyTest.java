package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// House rules that a machine can see.
class TidyTest {
    private static final int MAX_METHOD_LINES = 70;
    private static final int MOST_CLASSES = 25;
    // The formatter ends a method by a brace alone, as deep as the line that begins it.
    private static final Pattern METHOD_BODY = Pattern.compile("^ *[^ /@*}].*\\) *(throws [\\w., ]+)?\\{$");
    private static final Pattern UNFINISHED = Pattern.compile("TO" + "DO|FIX" + "ME|XX" + "X");
    private static final Pattern MACHINE_PATH =
            Pattern.compile("[\"' (=]/(home|root|tmp|Users|work)/|[\"' (=][A-Z]:\\\\");

    /// Python with an option: alone it takes a script by its path, whose folder is searched and not that of the caller.
    private static final Pattern PYTHON = Pattern.compile("\\bpython3? +-\\w*");

    /// What Bash 3.2 lacks, and options that only GNU's programs have: macOS has neither.
    private static final Pattern NOT_ON_MACOS = Pattern.compile(
            "\\b(declare|local|typeset) -\\w*[An]|\\b(mapfile|readarray|coproc)\\b"
                    + "|\\$\\{!?\\w+(\\[[^]]*])?[,^@]|\\$\\{\\w+\\[-|\\bwait -n\\b|&>>|\\|&|;;?&|\\[\\[ -v |%\\([^)]*\\)T"
                    + "|-quit\\b|\\b(readlink|realpath) -|\\bsed -\\w*[ir]|\\bgrep -\\w*P|\\bstat -c|\\bdate .*%N|\\bsort -V"
                    + "|\\bxargs -\\w*[rd]|\\bnproc\\b|(?<!-)\\btimeout \\d|\\bcp -\\w*[lu]|\\bhead -\\w+ -\\d|\\btac\\b|\\bsetsid\\b");

    /// A reader that ends before its input does. Now and then SIGPIPE ends what writes to it, and with `pipefail` the
    /// command fails.
    private static final Pattern ENDS_EARLY =
            Pattern.compile("\\| *(grep -\\w*[qm]|head\\b|sed -n [^|]*q)(?!.*\\|\\| true)");

    private static List<Path> files(String folder, String ending) throws IOException {
        try (Stream<Path> files = Files.walk(Path.of(folder))) {
            return files.filter(file -> file.toString().endsWith(ending))
                    .sorted()
                    .toList();
        }
    }

    private static List<Path> javaFiles() throws IOException {
        var files = new ArrayList<>(files("src", ".java"));
        files.addAll(files("scaling-tests", ".java"));
        assertFalse(files.isEmpty(), "no source was found");
        return files;
    }

    @Test
    void theScriptsThatMacosRunsUseNothingThatItLacks() throws IOException {
        for (var wrong : List.of(
                "declare -A x",
                "local -n x=y",
                "echo ${x,,}",
                "echo ${x^}",
                "echo ${x@Q}",
                "find . -print -quit",
                "echo ${x[-1]}",
                "wait -n",
                "readlink -f x",
                "sed -i s/a/b/ x",
                "mapfile -t lines",
                "a |& b",
                "printf '%(%s)T'")) {
            assertTrue(NOT_ON_MACOS.matcher(wrong).find(), wrong);
        }
        var scripts = Stream.of("worker", "fetch-starter-model", "fetch-connectors", "src/main/native/build.sh");
        assertEquals(List.of(), linesWith(NOT_ON_MACOS, scripts.map(Path::of).toList()));
    }

    /// The lines of scripts that have the pattern, without comments.
    private static List<String> linesWith(Pattern pattern, List<Path> scripts) throws IOException {
        var found = new ArrayList<String>();
        for (var script : scripts) {
            var lines = Files.readAllLines(script);
            for (var i = 0; i < lines.size(); i++) {
                var line = lines.get(i);
                if (!line.stripLeading().startsWith("#")
                        && pattern.matcher(line).find()) {
                    found.add(script + ":" + (i + 1) + " " + line.strip());
                }
            }
        }
        return found;
    }

    @Test
    void noScriptPipesIntoWhatEndsEarly() throws IOException {
        for (var wrong : List.of("cut -f 1 x | grep -qx y", "find . | head -n 1", "ls | sed -n '1{p;q}'")) {
            assertTrue(ENDS_EARLY.matcher(wrong).find(), wrong);
        }
        var scripts = new ArrayList<Path>();
        for (var folder : List.of("src", "docker", "scaling-tests")) {
            scripts.addAll(files(folder, ".sh"));
        }
        for (var script :
                List.of("worker", "fetch-starter-model", "fetch-connectors", ".ci/run", "scaling-tests/run")) {
            scripts.add(Path.of(script));
        }
        assertEquals(List.of(), linesWith(ENDS_EARLY, scripts));
    }

    @Test
    void methodsAreShort() throws IOException {
        var long_ = new ArrayList<String>();
        var seen = 0;
        for (var file : javaFiles()) {
            var lines = Files.readAllLines(file);
            for (var i = 0; i < lines.size(); i++) {
                if (!METHOD_BODY.matcher(lines.get(i)).matches()) {
                    continue;
                }
                var first = firstLine(lines, i);
                // A record's body and a switch expression end otherwise.
                if (first.matches("^ *(public |private |static )*record .*|.* switch \\(.*")) {
                    continue;
                }
                seen++;
                var indent =
                        first.substring(0, first.length() - first.stripLeading().length());
                var end = lines.subList(i, lines.size()).indexOf(indent + "}");
                if (end + 1 > MAX_METHOD_LINES) {
                    long_.add(file + ":" + (i + 1) + " has " + (end + 1) + " lines");
                }
            }
        }
        assertFalse(seen == 0, "no method was recognised");
        assertEquals(List.of(), long_);
    }

    /// Where the method begins whose body begins at `line`: its parameters may begin on an earlier one.
    private static String firstLine(List<String> lines, int line) {
        var first = line;
        for (var open = unclosed(lines.get(line)); open < 0 && first > 0; open += unclosed(lines.get(first))) {
            first--;
        }
        return lines.get(first);
    }

    private static int unclosed(String line) {
        // A bracket in quotes opens nothing.
        return line.replaceAll("'(\\\\.|[^'])'", "")
                .chars()
                .map(c -> c == '(' ? 1 : c == ')' ? -1 : 0)
                .sum();
    }

    @Test
    void nothingIsLeftUnfinishedOrTiedToOneMachine() throws IOException {
        var found = new ArrayList<String>();
        var files = new ArrayList<>(javaFiles());
        files.addAll(files("routes", ".yaml"));
        files.addAll(files("routes", ".properties"));
        for (var file : files) {
            var text = Files.readString(file);
            if (UNFINISHED.matcher(text).find()) {
                found.add(file + " is unfinished");
            }
            if (text.contains("\t")) {
                found.add(file + " has a tab");
            }
            if (MACHINE_PATH.matcher(text).find()) {
                found.add(file + " names a path of one machine");
            }
        }
        assertEquals(List.of(), found);
    }

    @Test
    void everyPackageSaysWhatItIs() throws IOException {
        for (var file : files("src/main/java", ".java")) {
            var info = file.resolveSibling("package-info.java");
            assertFalse(Files.notExists(info), () -> info + " is missing");
        }
    }

    /// A package that has more has room for a second subject.
    @Test
    void noPackageHasMoreThanTwentyFiveClasses() throws IOException {
        var classes = files("src/main/java", ".java").stream()
                .filter(file -> !file.endsWith("package-info.java"))
                .collect(Collectors.groupingBy(Path::getParent, Collectors.counting()));
        classes.values().removeIf(count -> count <= MOST_CLASSES);
        assertEquals(Map.of(), classes);
    }

    /// Without `-I`, a `pip.py` or `zipfile.py` in the folder that somebody starts a script from would run in the place
    /// of Python's own.
    @Test
    void scriptsStartPythonIsolated() throws IOException {
        var calls = 0;
        var open = new ArrayList<String>();
        for (var file : scripts()) {
            var matches = PYTHON.matcher(Files.readString(file));
            while (matches.find()) {
                calls++;
                if (!matches.group().endsWith("-I")) {
                    open.add(file + ": " + matches.group());
                }
            }
        }
        assertFalse(calls == 0, "no call of Python was found");
        assertEquals(List.of(), open);
    }

    private static List<Path> scripts() throws IOException {
        var scripts = new ArrayList<>(List.of(
                Path.of("worker"),
                Path.of("fetch-connectors"),
                Path.of("fetch-starter-model"),
                Path.of("Dockerfile"),
                Path.of(".ci/run"),
                Path.of("scaling-tests/run")));
        for (var folder : List.of("docker", "src", "scaling-tests")) {
            scripts.addAll(files(folder, ".sh"));
        }
        return scripts;
    }
}
