package dev.llmworker.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderDescription;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.stats.Count;
import dev.llmworker.testing.Concurrent;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Concurrent
class DeviceCheckTest {
    @TempDir
    private Path directory;

    private String run(Map<String, String> more) throws Exception {
        var model = directory.resolve("model.gguf");
        TinyModel.write(model);
        var settings = new HashMap<>(Map.of("MODEL", model.toString(), "DEVICE", "cpu", "MAX_SLOTS", "4"));
        settings.putAll(more);
        var out = new ByteArrayOutputStream();
        var test = new DeviceCheck(
                Settings.read(settings), new PrintStream(out, true, StandardCharsets.UTF_8), Duration.ofMillis(20));
        assertTrue(test.run(), out.toString(StandardCharsets.UTF_8));
        return out.toString(StandardCharsets.UTF_8);
    }

    @Test
    void itSaysWhatRunsWhetherItIsRightAndHowFastItIs() throws Exception {
        var said = run(Map.of());
        assertTrue(said.contains("model     model (llama)\n"), said);
        assertTrue(said.contains("device    cpu: CPU, "), said);
        assertTrue(said.contains("logits    ok: mean KL to float32 on the CPU "), said);
        // Alone and together, 16 positions of each prompt.
        assertTrue(said.contains(" at " + 2 * 7 * 16 + " positions, limit "), said);
        // Six prompts beside the first one's answer, three at a time.
        assertTrue(
                said.contains("beside    ok: mean KL to float32 on the CPU ") && said.contains(" at 8 positions, "),
                said);
        assertTrue(said.contains("sampler   ok: 4096 drawn tokens, "), said);
        for (var rows : new int[] {1, 2, 4}) {
            assertTrue(said.contains("decoding    " + Count.of(rows, "sequence") + ": "), said);
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
    void formatsThatRoundMoreAreHeldToLess() {
        assertEquals(1e-2, limit("native (Q4_1)"));
        assertEquals(1e-3, limit("native (Q8_0)"));
        assertEquals(1e-3, limit("fp16 (Q8_0)"));
        assertEquals(1e-2, limit("int4 (Q4_1)"));
    }

    private static double limit(String weightFormat) {
        return DeviceCheck.limit(
                new DecoderDescription("m", "llama", 320, 512, 4, "cpu", weightFormat, 1, Map.of(), 1, 1));
    }

    /// Half of the last norm's weights, which are the file's end, turn round once the model is loaded: the reference is
    /// another model than the one on the device.
    @Test
    void aModelThatTheDeviceGetsWrongFails() throws Exception {
        var model = directory.resolve("model.gguf");
        TinyModel.write(model);
        var said = new ByteArrayOutputStream();
        var watched = new OutputStream() {
            @Override
            public void write(int character) throws IOException {
                said.write(character);
                if (said.toString(StandardCharsets.UTF_8).endsWith("memory")) {
                    turnLastNorm(model);
                }
            }
        };
        var settings = Map.of("MODEL", model.toString(), "DEVICE", "cpu", "MAX_SLOTS", "2");
        var out = new PrintStream(watched, true, StandardCharsets.UTF_8);
        assertFalse(new DeviceCheck(Settings.read(settings), out, Duration.ofMillis(1)).run());
        var lines = said.toString(StandardCharsets.UTF_8);
        assertTrue(lines.contains("logits    WRONG: mean KL to float32 on the CPU "), lines);
        assertTrue(lines.contains("result    FAILED after "), lines);
    }

    private static void turnLastNorm(Path model) throws IOException {
        try (var file = FileChannel.open(model, StandardOpenOption.WRITE)) {
            var norm = ByteBuffer.allocate(64 * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            for (var i = 0; i < 64; i++) {
                norm.putFloat(i % 2 == 0 ? 1 : -1);
            }
            file.write(norm.flip(), file.size() - norm.capacity());
        }
    }

    @Test
    void aGpuThatIsNotThereIsNamedBeforeAModelIsLookedFor() {
        var refused = assertThrows(
                IllegalArgumentException.class, () -> run(Map.of("DEVICE", "cuda:99", "MODEL", "no/such-model")));
        assertTrue(
                String.valueOf(refused.getMessage()).matches("device is cuda:99; libtorch sees \\d+ GPUs here(: .+)?"),
                refused::toString);
    }

    @Test
    void anEngineWithoutADeviceIsRefused() {
        var refused = assertThrows(SettingsException.class, () -> run(Map.of("ENGINE", "mock")));
        assertEquals("--self-test is for ENGINE=djl; the others have no device here", refused.getMessage());
    }
}
