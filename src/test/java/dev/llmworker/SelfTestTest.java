package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SelfTestTest {
    @TempDir
    private Path directory;

    private String run(Map<String, String> more) throws Exception {
        var model = directory.resolve("model.gguf");
        RehearsalModel.write(model);
        var settings = new HashMap<>(Map.of("MODEL", model.toString(), "DEVICE", "cpu", "MAX_SLOTS", "4"));
        settings.putAll(more);
        var out = new ByteArrayOutputStream();
        var test = new SelfTest(
                Settings.read(settings), new PrintStream(out, true, StandardCharsets.UTF_8), Duration.ofMillis(20));
        assertTrue(test.run(), out.toString(StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8);
    }

    @Test
    void itSaysWhatRunsWhetherItIsRightAndHowFastItIs() throws Exception {
        var said = run(Map.of());
        assertTrue(said.contains("model     rehearsal (llama)\n"), said);
        assertTrue(said.contains("device    cpu: CPU, "), said);
        assertTrue(said.contains("logits    ok: mean KL to float32 on the CPU "), said);
        // Alone and together, 16 positions of each prompt.
        assertTrue(said.contains(" at " + 2 * 6 * 16 + " positions, limit "), said);
        for (var rows : new int[] {1, 2, 4}) {
            assertTrue(said.contains("decoding    " + rows + " sequences: "), said);
        }
        assertTrue(said.contains("bandwidth ") && said.contains("prompts   "), said);
        assertTrue(said.contains("result    passed after "), said);
    }

    @Test
    void float32IsHeldToMore() throws Exception {
        assertTrue(run(Map.of("DTYPE", "fp32")).contains(", limit 1e-03;"));
        assertTrue(run(Map.of("DTYPE", "bf16")).contains(", limit 1e-02;"));
    }

    @Test
    void anEngineWithoutADeviceIsRefused() {
        var refused = assertThrows(SettingsException.class, () -> run(Map.of("ENGINE", "mock")));
        assertEquals("--self-test is for ENGINE=djl; the others have no device here", refused.getMessage());
    }
}
