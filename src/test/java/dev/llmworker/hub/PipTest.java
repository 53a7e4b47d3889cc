package dev.llmworker.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.hub.download.ModelUnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PipTest {
    @TempDir
    Path folder;

    @Test
    void aPipThatDoesNotAnswerIsEnded() throws IOException {
        var pip = ScriptedPip.in(folder, "echo $$ > %1$s/pid; exec tail -f /dev/null");
        var scratch = Files.createDirectory(folder.resolve("scratch"));

        var refused = assertThrows(
                ModelUnavailableException.class, () -> pip.address("package==1.0", scratch, Duration.ofSeconds(1)));

        assertEquals(pip + " tells no address of package==1.0: no answer in 1.0 s", refused.getMessage());
        var process = ProcessHandle.of(
                Long.parseLong(Files.readString(folder.resolve("pid")).strip()));
        process.ifPresent(handle -> handle.onExit().join());
    }

    @Test
    void secretsOfAddressesAreLeftOutOfWhatPipSays() {
        assertEquals(
                "WARNING: http://host:8080/simple and (https://a.b/w.whl and git+ssh://h/x",
                WheelAddress.withoutSecrets("WARNING: http://u:p@q@host:8080/simple and"
                        + " (https://token@a.b/w.whl?signature=1&x=2#sha256=3) and git+ssh://me@h/x"));
    }
}
