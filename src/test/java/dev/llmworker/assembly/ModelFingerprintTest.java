package dev.llmworker.assembly;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.llmworker.command.TinyModel;
import dev.llmworker.weights.SafetensorsFolder;
import dev.llmworker.weights.StoredModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Two models have different fingerprints, and copies of one have the same.
class ModelFingerprintTest {
    @TempDir
    private Path directory;

    private static byte[] fingerprint(Path file) throws IOException {
        try (var model = StoredModel.open(file)) {
            return ModelFingerprint.of(model);
        }
    }

    private Path tiny(String folder) throws IOException {
        var file = Files.createDirectories(directory.resolve(folder)).resolve("tiny.gguf");
        TinyModel.write(file);
        return file;
    }

    private static void change(Path file, int fromTheEnd) throws IOException {
        var bytes = Files.readAllBytes(file);
        bytes[bytes.length - fromTheEnd] ^= 1;
        Files.write(file, bytes);
    }

    @Test
    void aCopyInAnotherPlaceHasTheSameOne() throws Exception {
        var here = tiny("here");
        var there = tiny("there");
        Files.setLastModifiedTime(there, FileTime.from(Instant.EPOCH));
        assertArrayEquals(fingerprint(here), fingerprint(there));
    }

    /// One bit of one weight, in a file of the same size.
    @Test
    void otherWeightsHaveAnotherOne() throws Exception {
        var file = tiny("here");
        var before = fingerprint(file);
        // A norm of 64 numbers comes last, and before it a matrix.
        change(file, 64 * Float.BYTES + 100);
        assertFalse(Arrays.equals(before, fingerprint(file)));
    }

    @Test
    void aFolderCountsItsTokenizerAndItsTemplate() throws Exception {
        var folder = directory.resolve("folder");
        new SafetensorsFolder(32).write(folder);
        var counted = List.of("tokenizer.json", "chat_template.jinja", "config.json", "model.safetensors");
        Files.writeString(folder.resolve("tokenizer.json"), "{}");
        Files.writeString(folder.resolve("chat_template.jinja"), "{{ messages }}");
        var before = fingerprint(folder);
        Files.writeString(folder.resolve("README.md"), "# Read me");
        assertArrayEquals(before, fingerprint(folder));
        for (var name : counted) {
            var file = folder.resolve(name);
            var bytes = Files.readAllBytes(file);
            var other = Arrays.copyOf(bytes, bytes.length + (name.endsWith(".safetensors") ? 0 : 1));
            other[other.length - 1] = (byte) (name.endsWith(".safetensors") ? other[other.length - 1] ^ 1 : ' ');
            Files.write(file, other);
            assertFalse(Arrays.equals(before, fingerprint(folder)), name);
            Files.write(file, bytes);
            assertArrayEquals(before, fingerprint(folder), name);
        }
    }
}
