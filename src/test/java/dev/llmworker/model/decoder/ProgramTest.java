package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import dev.llmworker.model.device.Libtorch;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.zip.ZipInputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The exported programs: they are exported from the sources here, and have the methods that Java calls.
class ProgramTest {
    private static final Path SOURCES = Path.of("src/main/torchscript");
    private static final Path CALLERS = Path.of("src/main/java/dev/llmworker/model/decoder");
    /// `COMMON_METHODS = """…"""`, and a line of `METHODS`: `"dense.pt": COMMON_METHODS + ["placement"],`.
    private static final Pattern COMMON = Pattern.compile("COMMON_METHODS = \"\"\"(.*?)\"\"\"", Pattern.DOTALL);

    private static final Pattern OWN = Pattern.compile("\"(\\w+\\.pt)\": COMMON_METHODS \\+ (.*),\n");
    private static final Pattern WORD = Pattern.compile("\\w+");
    private static final Pattern CALL =
            Pattern.compile("\\.(?:run|test|text|integers?|floats)\\(\\s*\"(\\w+)\"|putMatrix\\(\"(\\w+)\"");
    private static final Pattern DEFINITION = Pattern.compile("\n def (\\w+)\\(self: __torch__");

    @BeforeAll
    static void loadLibtorch() throws InterruptedException {
        Libtorch.await();
    }

    @ParameterizedTest
    @EnumSource
    void theProgramIsExportedFromTheSourcesThatAreHere(ProgramKind kind) throws Exception {
        if (kind == ProgramKind.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        try (var program = kind.open(Device.cpu(), 1)) {
            assertEquals(
                    sourceSha256(),
                    program.sourceSha256(),
                    kind.file() + " is of other sources: run src/main/torchscript/export.py and commit its output");
        }
    }

    @ParameterizedTest
    @EnumSource
    void theProgramHasEachMethodOfTheTable(ProgramKind kind) throws Exception {
        var table = table(kind);
        assertTrue(table.size() > 15, table.toString());
        table.removeAll(methods(kind));
        assertEquals(Set.of(), table, kind.file() + " lacks methods");
    }

    @Test
    void theTableIsWhatJavaCalls() throws Exception {
        var called = new TreeSet<String>();
        try (var files = Files.list(CALLERS)) {
            for (var file : files.toList()) {
                CALL.matcher(Files.readString(file))
                        .results()
                        .map(call -> call.group(1) == null ? call.group(2) : call.group(1))
                        .forEach(called::add);
            }
        }
        var tables = new TreeSet<String>();
        for (var kind : ProgramKind.values()) {
            tables.addAll(table(kind));
        }
        assertEquals(tables, called);
    }

    /// The names in `program.py` for a kind.
    private static Set<String> table(ProgramKind kind) throws IOException {
        var source = Files.readString(SOURCES.resolve("program.py"));
        var common = COMMON.matcher(source);
        assertTrue(common.find(), "program.py has no COMMON_METHODS");
        var names = words(common.group(1));
        var own = OWN.matcher(source)
                .results()
                .filter(line -> line.group(1).equals(kind.file()))
                .toList();
        assertEquals(1, own.size(), kind.file());
        names.addAll(words(own.getFirst().group(2).replace(".split()", "")));
        return names;
    }

    private static Set<String> words(String text) {
        return WORD.matcher(text).results().map(MatchResult::group).collect(Collectors.toCollection(TreeSet::new));
    }

    /// The methods that the code in an exported program defines. An archive has it as text.
    private static Set<String> methods(ProgramKind kind) throws IOException {
        var found = new TreeSet<String>();
        try (var resource = ProgramTest.class.getResourceAsStream("/dev/llmworker/model/" + kind.file())) {
            assertFalse(resource == null, kind.file());
            var archive = new ZipInputStream(resource);
            for (var entry = archive.getNextEntry(); entry != null; entry = archive.getNextEntry()) {
                if (entry.getName().endsWith("_decoder.py") || entry.getName().endsWith("/decoder.py")) {
                    var code = new String(archive.readAllBytes(), StandardCharsets.UTF_8);
                    DEFINITION
                            .matcher(code)
                            .results()
                            .map(match -> match.group(1))
                            .forEach(found::add);
                }
            }
        }
        return found;
    }

    /// As `export.py` computes it.
    private static String sourceSha256() throws Exception {
        var digest = MessageDigest.getInstance("SHA-256");
        try (var files = Files.list(SOURCES)) {
            for (var file : files.filter(file -> file.toString().endsWith(".py"))
                    .sorted()
                    .toList()) {
                digest.update((file.getFileName() + "\0").getBytes(StandardCharsets.UTF_8));
                digest.update(Files.readAllBytes(file));
                digest.update((byte) 0);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }
}
