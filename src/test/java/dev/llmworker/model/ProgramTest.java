package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.Device;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProgramTest {
    private static final Path SOURCES = Path.of("src/main/torchscript");

    @ParameterizedTest
    @ValueSource(strings = {Program.QUANTISED, Program.DENSE})
    void theProgramIsExportedFromTheSourcesThatAreHere(String resource) throws Exception {
        check(resource);
    }

    @Test
    void soIsTheNativeOne() throws Exception {
        Libtorch.await();
        assumeTrue(NativeLibrary.problem() == null, "no native library here");
        check(Program.NATIVE);
    }

    private static void check(String resource) throws Exception {
        try (var program = new Program(resource, Device.cpu(), 1)) {
            assertEquals(
                    sourceSha256(),
                    program.text("source_sha256"),
                    resource + " is of other sources: run src/main/torchscript/export.py and commit what it writes");
        }
    }

    /// As `export.py` has it.
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
