package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Damages a sound file in thousands of ways: each is read or refused, with little memory, and never fails otherwise.
@Timeout(600)
@Concurrent
class GgufFuzzTest {
    private static final long[] EXTREMES = {
        -1, Long.MIN_VALUE, Long.MAX_VALUE, Integer.MAX_VALUE, 1L << 31, 1L << 32, 1L << 24, 1L << 61, 0, 1, 255, 65_536
    };
    /// The file has about 2,000 bytes.
    private static final long MAX_ALLOCATED_BYTES = 1 << 20;

    private static final GgufFile SOUND = new GgufFile()
            .string("general.architecture", "llama")
            .alignment(32)
            .integer("llama.block_count", 2)
            .integer("split.count", 1)
            .number("llama.rope.freq_base", 1e4f)
            .flag("tokenizer.ggml.add_bos_token", true)
            .strings("tokenizer.ggml.tokens", List.of("<s>", "ä", "\uD83E\uDDC0", ""))
            .integers("tokenizer.ggml.token_type", 3, 1, 1, 1)
            .numbers("tokenizer.ggml.scores", 0, -1, -2, -3)
            .floats("norm.weight", new float[] {1, 2, 3}, 3)
            .tensor("q4.weight", TensorType.Q4_1, new byte[80], 64, 2)
            .tensor("q3.weight", TensorType.Q3_K, new byte[110], 256)
            .tensor("iq1.weight", TensorType.IQ1_M, new byte[112], 256, 2)
            .tensor("iq4.weight", TensorType.IQ4_XS, new byte[136], 256)
            .tensor("tq.weight", TensorType.TQ1_0, new byte[54], 256)
            .tensor("fp4.weight", TensorType.MXFP4, new byte[34], 32, 2)
            .tensor("q8.weight", TensorType.Q8_0, new byte[68], 32, 2)
            .tensor("half.weight", TensorType.F16, new byte[24], 4, 3);

    private final ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @TempDir
    Path directory;

    private int opened;
    private int refused;

    /// Classes that are loaded for the first file are not its memory.
    @BeforeAll
    static void readOne(@TempDir Path folder) throws IOException {
        try (var gguf = Gguf.open(SOUND.write(folder.resolve("model.gguf")))) {
            for (var key : gguf.metadata().keys()) {
                readAll(gguf.metadata(), key);
            }
            for (var tensor : gguf.tensors().values()) {
                tensor.checkFinite();
            }
        }
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        var sound = SOUND.bytes();
        // The last tensor ends 8 bytes ahead of the padding's end.
        for (var length = 0; length < sound.length - 8; length++) {
            read(Arrays.copyOf(sound, length), "length " + length);
        }
        assertTrue(opened == 0, opened + " truncated files were opened");
    }

    @Test
    void everyExtremeAtEveryPlaceIsReadOrRefused() throws IOException {
        var sound = SOUND.bytes();
        for (var at = 4; at < SOUND.headerBytes() - Long.BYTES; at++) {
            for (var extreme : EXTREMES) {
                var wide = sound.clone();
                ByteBuffer.wrap(wide).order(ByteOrder.LITTLE_ENDIAN).putLong(at, extreme);
                read(wide, extreme + " as 8 bytes at " + at);
                var narrow = sound.clone();
                ByteBuffer.wrap(narrow).order(ByteOrder.LITTLE_ENDIAN).putInt(at, (int) extreme);
                read(narrow, extreme + " as 4 bytes at " + at);
            }
        }
        assertTrue(opened > 100 && refused > 1000, opened + " opened, " + refused + " refused");
    }

    @Test
    void everyFlippedBitOfTheHeaderIsReadOrRefused() throws IOException {
        for (var bit = 0; bit < SOUND.headerBytes() * Byte.SIZE; bit++) {
            var bytes = SOUND.bytes();
            bytes[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
            read(bytes, "bit " + bit);
        }
        assertTrue(opened > 100 && refused > 1000, opened + " opened, " + refused + " refused");
    }

    @Seeded
    @Test
    void randomDamageIsReadOrRefused() throws IOException {
        var seed = Seeds.seed();
        var random = new Random(seed);
        for (var round = 0; round < Seeds.rounds(3000); round++) {
            var bytes = SOUND.bytes();
            for (var changes = 1 + random.nextInt(4); changes > 0; changes--) {
                bytes = damaged(bytes, random);
            }
            read(bytes, "seed " + seed + " round " + round);
        }
        assertTrue(refused > 1000, opened + " opened, " + refused + " refused");
    }

    /// The bytes with one bit flipped, some bytes overwritten, removed or there twice.
    private static byte[] damaged(byte[] bytes, Random random) {
        var at = random.nextInt(bytes.length);
        var length = Math.min(1 + random.nextInt(16), bytes.length - at);
        var rest = Arrays.copyOfRange(bytes, at + length, bytes.length);
        return switch (random.nextInt(4)) {
            case 0 -> {
                bytes[at] ^= (byte) (1 << random.nextInt(Byte.SIZE));
                yield bytes;
            }
            case 1 -> {
                var noise = new byte[length];
                random.nextBytes(noise);
                System.arraycopy(noise, 0, bytes, at, length);
                yield bytes;
            }
            case 2 -> joined(Arrays.copyOf(bytes, at + 1), rest);
            default -> joined(Arrays.copyOf(bytes, at + length), Arrays.copyOfRange(bytes, at, bytes.length));
        };
    }

    private static byte[] joined(byte[] first, byte[] second) {
        var joined = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, joined, first.length, second.length);
        return joined;
    }

    /// Opens the file and reads all of it; any failure but a refusal ends the test with the file's bytes.
    private void read(byte[] bytes, String damage) throws IOException {
        var file = Files.write(directory.resolve("model.gguf"), bytes);
        var before = memory.getCurrentThreadAllocatedBytes();
        try (var gguf = Gguf.open(file)) {
            opened++;
            for (var key : gguf.metadata().keys()) {
                readAll(gguf.metadata(), key);
            }
            for (var tensor : gguf.tensors().values()) {
                tensor.checkFinite();
            }
        } catch (ModelFileException refusal) {
            refused++;
            var message = String.valueOf(refusal.getMessage());
            assertTrue(message.startsWith("model.gguf: ") && message.length() < 1000, message);
        } catch (RuntimeException | Error failure) {
            fail(damage + ": " + HexFormat.of().formatHex(bytes), failure);
        }
        var allocated = memory.getCurrentThreadAllocatedBytes() - before;
        assertTrue(allocated < MAX_ALLOCATED_BYTES, damage + " took " + allocated + " bytes of memory");
    }

    private interface LookUp {
        Object value() throws ModelFileException;
    }

    /// Looks a key up as every type; at least one of them is its own.
    private static void readAll(Metadata metadata, String key) {
        List<LookUp> lookUps = List.of(
                () -> metadata.string(key),
                () -> metadata.integer(key),
                () -> metadata.number(key),
                () -> metadata.flag(key, false),
                () -> metadata.strings(key),
                () -> metadata.integers(key),
                () -> metadata.numbers(key));
        for (var lookUp : lookUps) {
            try {
                lookUp.value();
            } catch (ModelFileException refusal) {
                var message = String.valueOf(refusal.getMessage());
                assertTrue(message.startsWith("model.gguf: metadata "), message);
            }
        }
    }
}
