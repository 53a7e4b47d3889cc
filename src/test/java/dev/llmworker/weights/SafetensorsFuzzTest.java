package dev.llmworker.weights;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import dev.llmworker.weights.content.ModelFileException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Damages a sound folder in thousands of ways: each is read or refused, with little memory, and never fails otherwise.
@Timeout(600)
@Concurrent
class SafetensorsFuzzTest {
    private static final String INDEX = "model.safetensors.index.json";
    /// What JSON may have in the place of anything.
    private static final List<String> EXTREMES = List.of(
            "-1",
            "0",
            "9223372036854775807",
            "9223372036854775808",
            "1e400",
            "-0.0",
            "null",
            "true",
            "[]",
            "{}",
            "\"\"",
            "\"\\u0000\\n\"",
            "\"../x\"",
            "[".repeat(100) + "]".repeat(100));
    /// The files have some 4,000 bytes together.
    private static final long MAX_ALLOCATED_BYTES = 4 << 20;

    private final ThreadMXBean memory = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private final SafetensorsFolder sound = new SafetensorsFolder();

    @TempDir
    private Path directory;

    private int opened;
    private int refused;

    @BeforeEach
    void write() throws IOException {
        sound.write(directory);
    }

    @Test
    void everyTruncationIsRefused() throws IOException {
        var weights = sound.weights.bytes();
        for (var length = 0; length < weights.length; length++) {
            read("model.safetensors", Arrays.copyOf(weights, length), "length " + length);
        }
        assertTrue(opened == 0, opened + " truncated files were opened");
    }

    @Test
    void everyFlippedBitOfTheHeaderIsReadOrRefused() throws IOException {
        var header = sound.weights.bytes().length;
        for (var bit = 0; bit < Math.min(header, 1500) * Byte.SIZE; bit++) {
            var bytes = sound.weights.bytes();
            bytes[bit / Byte.SIZE] ^= (byte) (1 << bit % Byte.SIZE);
            read("model.safetensors", bytes, "bit " + bit);
        }
        assertTrue(opened > 100 && refused > 1000, opened + " opened, " + refused + " refused");
    }

    @Test
    void everyExtremeInThePlaceOfEveryValueIsReadOrRefused() throws IOException {
        var weights = sound.weights.bytes();
        var header = headerOf(weights);
        var data = Arrays.copyOfRange(weights, Long.BYTES + header.length(), weights.length);
        for (var extreme : EXTREMES) {
            for (var text : replaced(header, extreme)) {
                read("model.safetensors", SafetensorsFile.bytes(text, data), text);
            }
        }
        Files.write(directory.resolve("model.safetensors"), weights);
        var config = new String(sound.configBytes(), StandardCharsets.UTF_8);
        for (var extreme : EXTREMES) {
            for (var text : replaced(config, extreme)) {
                read("config.json", text.getBytes(StandardCharsets.UTF_8), text);
            }
        }
        assertTrue(opened > 20 && refused > 500, opened + " opened, " + refused + " refused");
    }

    @ParameterizedTest
    @EnumSource
    void everyExtremeInAQuantisedFolderIsReadOrRefused(QuantisedFolder kind) throws IOException {
        var quantised = kind.folder();
        quantised.write(directory);
        var weights = quantised.weights.bytes();
        var header = headerOf(weights);
        var data = Arrays.copyOfRange(weights, Long.BYTES + header.length(), weights.length);
        for (var extreme : EXTREMES) {
            for (var text : replaced(header, extreme)) {
                read("model.safetensors", SafetensorsFile.bytes(text, data), text);
            }
        }
        Files.write(directory.resolve("model.safetensors"), weights);
        var config = new String(quantised.configBytes(), StandardCharsets.UTF_8);
        var quantisation = config.indexOf("\"quantization_config\"");
        for (var extreme : EXTREMES) {
            for (var text : replaced(config.substring(quantisation), extreme)) {
                var all = config.substring(0, quantisation) + text;
                read("config.json", all.getBytes(StandardCharsets.UTF_8), all);
            }
        }
        assertTrue(opened > 10 && refused > 500, opened + " opened, " + refused + " refused");
    }

    @Seeded
    @ParameterizedTest
    @EnumSource
    void randomDamageOfAQuantisedFolderIsReadOrRefused(QuantisedFolder kind) throws IOException {
        var seed = Seeds.seed();
        var random = new Random(seed);
        var quantised = kind.folder();
        quantised.write(directory);
        for (var round = 0; round < Seeds.rounds(1000); round++) {
            var isConfig = round % 3 == 0;
            var bytes = isConfig ? quantised.configBytes() : quantised.weights.bytes();
            for (var changes = 1 + random.nextInt(4); changes > 0; changes--) {
                bytes = damaged(bytes, random);
            }
            quantised.write(directory);
            read(isConfig ? "config.json" : "model.safetensors", bytes, "seed " + seed + " round " + round);
        }
        assertTrue(refused > 300, opened + " opened, " + refused + " refused");
    }

    @Seeded
    @Test
    void randomDamageIsReadOrRefused() throws IOException {
        var seed = Seeds.seed();
        var random = new Random(seed);
        var weights = sound.weights.bytes();
        var index = index(weights);
        for (var round = 0; round < Seeds.rounds(3000); round++) {
            var which = List.of("model.safetensors", "config.json", INDEX).get(round % 3);
            var bytes = switch (which) {
                case "config.json" -> sound.configBytes();
                case INDEX -> index.getBytes(StandardCharsets.UTF_8);
                default -> weights.clone();
            };
            for (var changes = 1 + random.nextInt(4); changes > 0; changes--) {
                bytes = damaged(bytes, random);
            }
            write();
            if (which.equals(INDEX)) {
                Files.move(
                        directory.resolve("model.safetensors"),
                        directory.resolve("part.safetensors"),
                        StandardCopyOption.REPLACE_EXISTING);
            }
            read(which, bytes, "seed " + seed + " round " + round);
            Files.deleteIfExists(directory.resolve(INDEX));
        }
        assertTrue(refused > 1000, opened + " opened, " + refused + " refused");
    }

    private static String headerOf(byte[] weights) {
        var length = (weights[0] & 0xFF) | (weights[1] & 0xFF) << 8;
        return new String(weights, Long.BYTES, length, StandardCharsets.UTF_8);
    }

    private static String index(byte[] weights) {
        var places = headerOf(weights).replaceAll("\\{\"dtype.*?\\}", "\"part.safetensors\"");
        return "{\"metadata\":{\"total_size\":1},\"weight_map\":" + places + "}";
    }

    /// The JSON text with each of its numbers, strings and names in turn replaced.
    private static List<String> replaced(String json, String by) {
        var value = Pattern.compile("-?\\d+(\\.\\d+)?(E-?\\d+)?|\"[^\"]*\"|true|false");
        return value.matcher(json)
                .results()
                .map(found -> json.substring(0, found.start()) + by + json.substring(found.end()))
                .toList();
    }

    /// The bytes with one bit flipped, some bytes overwritten, removed or there twice.
    private static byte[] damaged(byte[] bytes, Random random) {
        if (bytes.length == 0) {
            return bytes;
        }
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
            case 2 -> joined(Arrays.copyOf(bytes, at), rest);
            default -> joined(Arrays.copyOf(bytes, at + length), Arrays.copyOfRange(bytes, at, bytes.length));
        };
    }

    private static byte[] joined(byte[] first, byte[] second) {
        var joined = Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, joined, first.length, second.length);
        return joined;
    }

    /// Opens the folder and reads all of it; any failure but a refusal ends the test with the damaged file's bytes.
    private void read(String name, byte[] bytes, String damage) throws IOException {
        Files.write(directory.resolve(name), bytes);
        var before = memory.getCurrentThreadAllocatedBytes();
        try (var model = StoredModel.open(directory);
                var arena = Arena.ofShared()) {
            opened++;
            for (var tensor : model.tensors().values()) {
                tensor.checkFinite();
                if (tensor.packed() != null) {
                    tensor.inBlocks(arena);
                }
            }
        } catch (ModelFileException refusal) {
            refused++;
            var message = String.valueOf(refusal.getMessage());
            assertTrue(message.matches("(?s)[^:]+: .{1,1000}") && !message.contains("\n"), message);
        } catch (RuntimeException | Error failure) {
            fail(damage + ": " + HexFormat.of().formatHex(bytes), failure);
        }
        var allocated = memory.getCurrentThreadAllocatedBytes() - before;
        assertTrue(allocated < MAX_ALLOCATED_BYTES, damage + " took " + allocated + " bytes of memory");
    }
}
