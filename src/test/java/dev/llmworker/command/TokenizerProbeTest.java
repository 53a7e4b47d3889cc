package dev.llmworker.command;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.ModelFileException;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A tokenizer that ends its process is found, and does not end this one.
@Timeout(180)
@Concurrent
class TokenizerProbeTest {
    private static final Duration LIMIT = Duration.ofMinutes(1);

    @TempDir
    private Path folder;

    /// As Rust's runtime does when it cannot unwind.
    static final class Aborts {
        private Aborts() {}

        public static void main(String[] arguments) {
            System.out.println("a run of one letter");
            System.out.println("a run of blanks");
            Runtime.getRuntime().halt(134);
        }
    }

    static final class AbortsAtOnce {
        private AbortsAtOnce() {}

        public static void main(String[] arguments) {
            Runtime.getRuntime().halt(134);
        }
    }

    static final class NeverEnds {
        private NeverEnds() {}

        public static void main(String[] arguments) throws InterruptedException {
            System.out.println("a run of digits");
            Thread.currentThread().join();
        }
    }

    private String problem(Class<?> main, Duration limit) {
        return String.valueOf(assertThrows(ModelFileException.class, () -> TokenizerProbe.check(folder, main, limit))
                .getMessage());
    }

    @Test
    void theTextThatEndsTheProcessIsNamed() {
        assertEquals(
                folder.getFileName()
                        + ": the tokenizer's library ends the process at a run of blanks: a client could stop the worker so",
                problem(Aborts.class, LIMIT));
    }

    @Test
    void aTokenizerThatCannotBeMadeIsNamed() {
        assertEquals(
                folder.getFileName() + ": the tokenizer cannot be made: its library ends the process",
                problem(AbortsAtOnce.class, LIMIT));
    }

    /// A slow machine may need more than the first limit to start a process.
    @Test
    void aTextThatTakesForEverIsNamed() {
        var found = "";
        var seconds = 1;
        for (; !found.contains("digits") && seconds <= LIMIT.toSeconds(); seconds *= 2) {
            found = problem(NeverEnds.class, Duration.ofSeconds(seconds));
            assertTrue(found.contains(" " + seconds + " s"), found);
        }
        assertEquals(
                folder.getFileName() + ": the tokenizer takes longer than " + seconds / 2 + " s for a run of digits",
                found);
    }

    @Test
    void aSoundTokenizerPasses() throws Exception {
        var file = folder.resolve("tiny.gguf");
        TinyModel.write(file);
        assertDoesNotThrow(() -> TokenizerProbe.check(file));
    }
}
