package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.Device;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class ProgramTest {
    private static final Path SOURCES = Path.of("src/main/torchscript");

    @Test
    void theProgramIsExportedFromTheSourcesThatAreHere() throws Exception {
        try (var program = new Program(Device.cpu(), 1)) {
            assertEquals(
                    sourceSha256(),
                    program.text("source_sha256"),
                    "decoder.pt is of other sources: run src/main/torchscript/export.py and commit what it writes");
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
